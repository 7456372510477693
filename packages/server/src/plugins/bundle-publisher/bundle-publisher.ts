import type { TrustBundle } from '../../model/trust-bundle.ts'

/** Puts the server's own trust bundle where others read it. */
export interface BundlePublisher {
  /** Its name in the configuration. */
  readonly name: string
  /**
   * Publishes the bundle. Asked again and again with the same one: what is published already it may leave as it is.
   *
   * @throws an error of any kind; it is logged, and asked again soon
   */
  publish(bundle: TrustBundle, signal: AbortSignal): Promise<void>
}
