import { randomInt } from 'node:crypto'
import { Backoff } from '@mini-spire/runtime/backoff'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { X509Authority } from '../model/trust-bundle.ts'
import type { UpstreamAuthority } from '../plugins/upstream-authority/upstream-authority.ts'
import type { CredentialComposers } from './credential-composers.ts'
import type { PublishJwtAuthority } from './jwt-publisher.ts'
import { UpstreamClient } from './upstream-client.ts'
import { upstreamIssuer } from './upstream-issuer.ts'
import type { X509CaIssuer } from './x509-ca-issuer.ts'

/** First and longest delay before tainted roots are tried again. */
const taintRetry = { initialMs: 5000, maxMs: 60_000 } as const

/** Options of {@link UpstreamConnection}. */
export interface UpstreamConnectionOptions {
  readonly plugin: UpstreamAuthority
  readonly trustDomain: TrustDomain
  readonly subject: DistinguishedName
  readonly ttlSeconds: number
  /** @default the system's randomness */
  readonly serialNumbers?: SerialNumbers
  readonly bundle: OwnBundle
  /** Change what CA certificates are asked to say. @default nobody does */
  readonly composers?: CredentialComposers
  readonly clock: Clock
  readonly log: Logger
  /** A number in [0, 1), anew at each call, that spreads retries. @default random */
  readonly chance?: () => number
}

/** Stops signing below tainted roots, and marks them: the authority manager. */
export interface TaintedRootsLeaver {
  leaveTaintedRoots(tainted: readonly X509Authority[]): Promise<void>
}

/**
 * Everything that a server with an upstream authority does because of it: its X.509 authorities are signed above, its JWT
 * authorities published there, and what happens to the roots above happens here.
 */
export class UpstreamConnection implements AsyncDisposable {
  /** For the authority manager. */
  readonly x509Issuer: X509CaIssuer
  /** For the authority manager, and for downstream servers' JWT authorities. */
  readonly publishJwtAuthority: PublishJwtAuthority
  readonly #options: UpstreamConnectionOptions
  readonly #client: UpstreamClient
  #tainted: readonly X509Authority[] = []
  #wake = (): void => {}

  constructor(options: UpstreamConnectionOptions) {
    this.#options = options
    const onTainted = (roots: readonly X509Authority[]): void => {
      this.#tainted = [...this.#tainted, ...roots]
      this.#wake()
    }
    this.#client = new UpstreamClient({ ...options, onTainted })
    this.x509Issuer = upstreamIssuer({
      ...options,
      serialNumbers: options.serialNumbers ?? new SerialNumbers(),
      upstream: this.#client,
    })
    this.publishJwtAuthority = this.#client.publish
  }

  /**
   * Follows the upstream authority until the signal aborts. What was signed below a tainted root is replaced when its mark is in
   * the own bundle; that is left to whoever follows the bundle.
   */
  async run(authorities: TaintedRootsLeaver, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#client.followBundle(signal), this.#leaveTainted(authorities, signal)])
  }

  /** Ends what is followed, and the plugin. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.plugin[Symbol.asyncDispose]()
    await this.#client[Symbol.asyncDispose]()
  }

  async #leaveTainted(authorities: TaintedRootsLeaver, signal: AbortSignal): Promise<void> {
    const { clock, log, chance = randomChance } = this.#options
    const backoff = new Backoff({ ...taintRetry, clock, chance })
    while (await this.#arrived(signal)) {
      const tainted = this.#tainted
      try {
        await authorities.leaveTaintedRoots(tainted)
        this.#tainted = this.#tainted.slice(tainted.length)
        backoff.reset()
      } catch (error) {
        log.warn('Failed to process tainted keys on upstream authority', { error })
        await sleep(clock, backoff.next() ?? taintRetry.maxMs, signal)
      }
    }
  }

  /** Resolves when there are tainted roots to leave; to false when the signal aborts. */
  async #arrived(signal: AbortSignal): Promise<boolean> {
    if (this.#tainted.length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    return !signal.aborted
  }
}

function randomChance(): number {
  return randomInt(2 ** 20) / 2 ** 20
}
