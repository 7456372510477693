import type { JwtAuthority, X509Authority } from '../../model/trust-bundle.ts'
import { UpstreamAuthorityError } from './upstream-authority-error.ts'

/** A CA certificate that the upstream authority signed. */
export interface MintedX509Ca {
  /** DER: the new CA first, then what leads to a root; no root. At least one. */
  readonly chain: readonly Uint8Array[]
  /** The roots of the upstream authority now. At least one. */
  readonly roots: readonly X509Authority[]
  /**
   * All its roots again whenever they change; ends at once when the plugin cannot tell, and when the signal of the call
   * aborts. What fails it is only that it ends: the next mint opens another.
   */
  readonly rootUpdates: AsyncIterable<readonly X509Authority[]>
}

/** The JWT authorities of the upstream authority, the published one among them. */
export interface PublishedJwtKeys {
  readonly keys: readonly JwtAuthority[]
  /** All of them again whenever they change; as {@link MintedX509Ca.rootUpdates}. */
  readonly keyUpdates: AsyncIterable<readonly JwtAuthority[]>
}

/** The bundle of the own trust domain, as the upstream authority sees it. */
export interface UpstreamBundle {
  /** At least one. */
  readonly roots: readonly X509Authority[]
  readonly keys: readonly JwtAuthority[]
}

/** What is to be signed. */
export interface MintX509CaRequest {
  /** PKCS #10, DER. */
  readonly csr: Uint8Array
  /** What the server would like; the authority may decide otherwise. 0: no wish. */
  readonly preferredTtlSeconds: number
}

/**
 * Signs the server's CA certificates in place of the server itself: the trust domain's roots are the upstream authority's.
 * Implementations stand one folder down, one folder each.
 *
 * What it returns is checked by the caller before it is used, the roots included: a plugin may pass on what it was given.
 * The signal of each call is that of its updates too; after it aborts nothing of the call is left running.
 */
export interface UpstreamAuthority {
  /** Its name in the configuration, such as `disk`. */
  readonly name: string
  /** @throws {UpstreamAuthorityError}, or an error of another plugin's process, with any kind */
  mintX509Ca(request: MintX509CaRequest, signal: AbortSignal): Promise<MintedX509Ca>
  /**
   * Makes a JWT authority known to everybody below the upstream authority.
   *
   * @throws an error of kind `unimplemented` when it cannot: the key then stays with the server's own bundle
   */
  publishJwtKey(key: JwtAuthority, signal: AbortSignal): Promise<PublishedJwtKeys>
  /**
   * The bundle now, and again whenever it changes, until the signal aborts.
   *
   * @throws while iterated: an error of kind `unimplemented` when it cannot
   */
  subscribeToLocalBundle(signal: AbortSignal): AsyncIterable<UpstreamBundle>
  /** Lets go of connections and timers. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Updates of a plugin that cannot tell: none. */
export async function* noUpdates(): AsyncGenerator<never, void, undefined> {}

/** What a plugin without {@link UpstreamAuthority.publishJwtKey} answers, in SPIRE's words. */
export function publishingUnsupported(): UpstreamAuthorityError {
  return new UpstreamAuthorityError(
    'ERR_UPSTREAM_UNSUPPORTED',
    'publishing upstream is unsupported',
  )
}

/** What a plugin without {@link UpstreamAuthority.subscribeToLocalBundle} answers, in SPIRE's words. */
export function subscribingUnsupported(): UpstreamAuthorityError {
  return new UpstreamAuthorityError(
    'ERR_UPSTREAM_UNSUPPORTED',
    'fetching upstream trust bundle is unsupported',
  )
}
