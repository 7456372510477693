import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { signUpstreamCsr } from '../sign-csr.ts'
import {
  type MintedX509Ca,
  type MintX509CaRequest,
  noUpdates,
  type PublishedJwtKeys,
  publishingUnsupported,
  subscribingUnsupported,
  type UpstreamAuthority,
  type UpstreamBundle,
} from '../upstream-authority.ts'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'
import type { DiskFiles } from './disk-config.ts'
import { type DiskCa, loadDiskCa } from './load-ca.ts'

/** Options of {@link DiskUpstreamAuthority}. */
export interface DiskUpstreamAuthorityOptions {
  readonly files: DiskFiles
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Logger
  /** @default the system's randomness */
  readonly serialNumbers?: SerialNumbers
}

/**
 * An upstream authority whose certificate and key are files. They are read again before each signature, so that a renewed CA
 * is taken up without a restart; while they cannot be used, the CA that was read before goes on.
 */
export class DiskUpstreamAuthority implements UpstreamAuthority {
  readonly name = 'disk'
  readonly #options: DiskUpstreamAuthorityOptions
  readonly #serialNumbers: SerialNumbers
  #ca: DiskCa

  private constructor(options: DiskUpstreamAuthorityOptions, ca: DiskCa) {
    this.#options = options
    this.#serialNumbers = options.serialNumbers ?? new SerialNumbers()
    this.#ca = ca
  }

  /** @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CONFIG` when the files are no usable CA */
  static async open(options: DiskUpstreamAuthorityOptions): Promise<DiskUpstreamAuthority> {
    const ca = await loadDiskCa(options.files, options.clock.now())
    return new DiskUpstreamAuthority(options, ca)
  }

  /** @throws {UpstreamAuthorityError} `ERR_UPSTREAM_FAILED` when the request is not one to sign */
  async mintX509Ca({ csr, preferredTtlSeconds }: MintX509CaRequest): Promise<MintedX509Ca> {
    await this.#reload()
    const { trustDomain, clock } = this.#options
    const { chain, roots } = this.#ca
    try {
      const certificate = await signUpstreamCsr({
        ca: this.#ca,
        csr,
        preferredTtlSeconds,
        trustDomain,
        serialNumbers: this.#serialNumbers,
        nowMs: clock.nowMs(),
      })
      return {
        chain: [certificate, ...chain.map(({ raw }) => raw)],
        roots: roots.map(({ raw }) => ({ certificate: raw, tainted: false })),
        rootUpdates: noUpdates(),
      }
    } catch (cause) {
      const message = `unable to sign CSR: ${messageOf(cause)}`
      throw new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', message, { cause })
    }
  }

  publishJwtKey(): Promise<PublishedJwtKeys> {
    return Promise.reject(publishingUnsupported())
  }

  // biome-ignore lint/correctness/useYield: there is nothing to follow.
  async *subscribeToLocalBundle(): AsyncGenerator<UpstreamBundle, void, undefined> {
    throw subscribingUnsupported()
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #reload(): Promise<void> {
    const { files, clock, log } = this.#options
    try {
      this.#ca = await loadDiskCa(files, clock.now())
    } catch (error) {
      log.warn('The upstream CA files cannot be used; going on with what was read before', {
        error,
      })
    }
  }
}
