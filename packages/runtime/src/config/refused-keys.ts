import { ConfigError } from './config-error.ts'

/** A key that SPIRE acts on and this program does not: to start without it would be less than was configured. */
export interface RefusedKey<File> {
  /** As the documentation names it: `experimental.broker`. */
  readonly key: string
  /** Why, or what to do instead; stands in the documentation too. */
  readonly reason: string
  /** Whether a file asks for it; left out where whoever reads the key refuses it, with the same reason. */
  readonly isSet?: (file: File) => boolean
}

/**
 * Refuses a file that asks for one of these keys.
 *
 * @throws {ConfigError} `ERR_CONFIG_UNSUPPORTED`, with the reason
 */
export function refuseKeys<File>(keys: readonly RefusedKey<File>[], file: File): void {
  const refused = keys.find(({ isSet }) => isSet?.(file))
  if (!refused) return
  const message = `${refused.key} is not supported by mini-spire yet: ${refused.reason}`
  throw new ConfigError('ERR_CONFIG_UNSUPPORTED', message)
}

/** A DogStatsD agent that is named by its socket file, which its sink refuses. */
export const refusedDogStatsdSocket: { readonly key: string; readonly reason: string } = {
  key: 'telemetry.DogStatsd.address = "unix://…"',
  reason: "Node has no Unix datagram sockets; use the agent's UDP port",
}

/** Why `require_pq_kem` is refused where it is. */
export const pqKemReason =
  'a post-quantum key exchange needs OpenSSL 3.5 or newer, as Node 24 has it'
