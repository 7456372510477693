import type { TrustBundle } from '../../model/trust-bundle.ts'

/**
 * Is told of the server's own trust bundle. Deprecated by SPIRE in favour of bundle publishers, and kept for the plugins
 * that there are.
 */
export interface Notifier {
  /** Its name in the configuration. */
  readonly name: string
  /** The server has loaded its bundle and is about to serve: an error keeps it from doing so. */
  bundleLoaded(bundle: TrustBundle, signal: AbortSignal): Promise<void>
  /** The server has changed its bundle; an error is logged. */
  bundleUpdated(bundle: TrustBundle, signal: AbortSignal): Promise<void>
}
