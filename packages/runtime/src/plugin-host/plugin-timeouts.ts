/** How long a plugin may take for what every plugin does; a plugin's own calls have their own limits. */
export interface PluginTimeouts {
  /** From its start until it says where it listens. */
  readonly startMs: number
  /** To be initialized, and each time it is configured or validates a configuration. */
  readonly configureMs: number
  /** To put its things in order before it is ended. */
  readonly deinitMs: number
  /** From the request to end until it is killed. */
  readonly exitMs: number
}

/** go-plugin's for start and exit, SPIRE's for deinit; SPIRE waits for ever for a plugin that configures itself. */
export const defaultPluginTimeouts: PluginTimeouts = {
  startMs: 60_000,
  configureMs: 60_000,
  deinitMs: 10_000,
  exitMs: 2_000,
}
