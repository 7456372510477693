import type { Clock } from '@mini-spire/runtime/clock'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { signerFromKeyObject } from '@mini-spire/runtime/x509/signer'
import { TestCa } from '@mini-spire/sdk/testing'
import type { JwtAuthority, X509Authority } from '../../model/trust-bundle.ts'
import { signUpstreamCsr } from './sign-csr.ts'
import {
  type MintedX509Ca,
  type MintX509CaRequest,
  noUpdates,
  type PublishedJwtKeys,
  publishingUnsupported,
  subscribingUnsupported,
  type UpstreamAuthority,
  type UpstreamBundle,
} from './upstream-authority.ts'

/** An upstream authority in memory whose roots a test rotates, taints and revokes. */
export class FakeUpstreamAuthority implements UpstreamAuthority {
  readonly name = 'fake'
  /** The newest signs. */
  readonly cas: TestCa[] = []
  readonly #tainted = new Set<TestCa>()
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  #waiting = 0
  /** Undefined: it cannot publish, nor be followed. */
  keys: JwtAuthority[] | undefined
  /** Requests of the CA certificates that were signed. */
  readonly minted: MintX509CaRequest[] = []
  /** Called before each answer; what it throws the call fails with. */
  beforeAnswer: () => void | Promise<void> = () => {}
  isDisposed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.rotate()
  }

  /** A new root that signs from now on. */
  rotate(): TestCa {
    const ca = TestCa.create('example.org', { now: () => this.#clock.now() })
    this.cas.push(ca)
    return ca
  }

  taint(ca: TestCa): void {
    this.#tainted.add(ca)
  }

  revoke(ca: TestCa): void {
    this.cas.splice(this.cas.indexOf(ca), 1)
  }

  /** Tells followers. */
  push(): void {
    for (const listener of this.#listeners) listener()
  }

  /** How many follow its bundle now, and have seen its present state. */
  get followers(): number {
    return this.#waiting
  }

  get roots(): readonly X509Authority[] {
    return this.cas.map((ca) => ({
      certificate: ca.certificate.raw,
      tainted: this.#tainted.has(ca),
    }))
  }

  async mintX509Ca(request: MintX509CaRequest): Promise<MintedX509Ca> {
    await this.beforeAnswer()
    const ca = this.cas.at(-1)
    if (!ca) throw new Error('no CA')
    this.minted.push(request)
    const certificate = await signUpstreamCsr({
      ca: { certificate: ca.certificate, signer: signerFromKeyObject(ca.privateKey) },
      ...request,
      trustDomain: ca.trustDomain,
      serialNumbers: new SerialNumbers(),
      nowMs: this.#clock.nowMs(),
    })
    return { chain: [certificate], roots: this.roots, rootUpdates: noUpdates() }
  }

  async publishJwtKey(key: JwtAuthority): Promise<PublishedJwtKeys> {
    await this.beforeAnswer()
    if (!this.keys) throw publishingUnsupported()
    this.keys.push(key)
    return { keys: this.keys, keyUpdates: noUpdates() }
  }

  async *subscribeToLocalBundle(
    signal: AbortSignal,
  ): AsyncGenerator<UpstreamBundle, void, undefined> {
    await this.beforeAnswer()
    if (!this.keys) throw subscribingUnsupported()
    let isAhead = true
    let wake = (): void => {}
    const listener = (): void => {
      isAhead = true
      wake()
    }
    this.#listeners.add(listener)
    signal.addEventListener('abort', listener)
    while (!signal.aborted) {
      if (isAhead) {
        isAhead = false
        yield { roots: this.roots, keys: this.keys }
        continue
      }
      this.#waiting++
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      this.#waiting--
    }
    this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true
  }
}
