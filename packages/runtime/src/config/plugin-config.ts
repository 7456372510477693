import type { Node } from './ast.ts'

/** One plugin as a configuration file names it. */
export interface PluginConfig {
  /** Such as `NodeAttestor`. */
  readonly type: string
  /** Such as `x509pop`. */
  readonly name: string
  readonly isEnabled: boolean
  /** `plugin_cmd`: the program of an external plugin; empty for a built-in. */
  readonly command: string
  readonly args: readonly string[]
  readonly checksum: string
  /** `plugin_data` as parsed; undefined when there is none or when it is in a file. Decode it with `decodeSection`. */
  readonly data: Node | undefined
  /** `plugin_data_file`: read at start and at SIGUSR1; undefined when the data stands in the configuration. */
  readonly dataFile: string | undefined
}
