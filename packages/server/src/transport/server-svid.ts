import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { untilNextLook } from '@mini-spire/runtime/next-look'
import { messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate, verifyChain } from '@mini-spire/sdk/x509'

/** How often it is looked whether the server's own SVID is due. */
const tickMs = 5000

/** How far NotBefore lies before the moment of signing. */
const backdateMs = 10_000

/** Signs the certificate that the server itself shows. */
export interface ServerSvidSigner {
  issueServerSvid(request: {
    /** SubjectPublicKeyInfo, DER. */
    readonly publicKey: Uint8Array
  }): Promise<{
    /** DER, leaf first, then intermediates; never the root. */
    readonly chain: readonly Uint8Array[]
    readonly expiresAtSeconds: number
  }>
}

/** What the server shows on its TCP listener. */
export interface ServerSvid {
  readonly key: KeyObject
  readonly chain: readonly Uint8Array[]
}

/** Options of {@link ServerSvidRotator}. */
export interface ServerSvidOptions {
  readonly signer: ServerSvidSigner
  readonly keyType: KeyType
  readonly clock: Clock
  readonly log: Logger
  /** Called after every rotation but the first. */
  readonly onRotated: () => void
}

/**
 * Keeps the server's own X509-SVID fresh: signed at start, then again past half of its life or when it has become
 * suspect, each time with a new key that never leaves this process's memory.
 */
export class ServerSvidRotator {
  readonly #options: ServerSvidOptions
  #svid: ServerSvid | undefined
  #rotateAtMs = 0
  #expiresAtMs = 0
  /** DER. */
  #suspectRoots: readonly Uint8Array[] = []
  /** Ends the waiting for the next tick. */
  #wake = new AbortController()

  constructor(options: ServerSvidOptions) {
    this.#options = options
  }

  /** Signs the first SVID; without one the server cannot start. */
  async start(): Promise<void> {
    await this.#rotate()
  }

  /** @throws {Error} before {@link ServerSvidRotator.start} */
  current(): ServerSvid {
    if (!this.#svid) throw new Error('server SVID is asked for before it was signed')
    return this.#svid
  }

  /**
   * Tells which roots (DER) of the own trust domain are tainted, and which have just been removed. An SVID that leads to a
   * tainted root is replaced at the next tick: whoever has not heard of the new root yet gets that moment to. One that leads
   * to a removed root is replaced at once.
   */
  followRoots(roots: {
    readonly tainted: readonly Uint8Array[]
    readonly removed: readonly Uint8Array[]
  }): void {
    const { tainted, removed } = roots
    const wasSuspect = this.#leadsTo(this.#suspectRoots)
    this.#suspectRoots = [...tainted, ...removed]
    if (!wasSuspect && this.#leadsTo(this.#suspectRoots)) {
      this.#options.log.info(
        'Server SVID signed using a tainted authority, forcing rotation of the Server SVID',
      )
    }
    if (this.#leadsTo(removed)) this.#wake.abort()
  }

  /** Rotates whenever it is due, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    signal.addEventListener('abort', () => this.#wake.abort(), { once: true })
    while (!signal.aborted) {
      const delayMs = untilNextLook(tickMs, this.#expiresAtMs - clock.nowMs())
      await sleep(clock, delayMs, this.#wake.signal)
      this.#wake = new AbortController()
      if (!signal.aborted) await this.tick()
    }
  }

  /** Rotates if it is due. A failure is logged and tried again at the next tick. */
  async tick(): Promise<void> {
    const { clock, log, onRotated } = this.#options
    if (clock.nowMs() <= this.#rotateAtMs && !this.#leadsTo(this.#suspectRoots)) return
    try {
      await this.#rotate()
    } catch (error) {
      log.error('Could not rotate server SVID', { error: messageOf(error) })
      return
    }
    onRotated()
  }

  /** Whether the current SVID leads to one of these roots; an expired one leads nowhere. */
  #leadsTo(roots: readonly Uint8Array[]): boolean {
    if (!this.#svid || roots.length === 0) return false
    const chain = this.#svid.chain.map(parseCertificate)
    const now = this.#options.clock.now()
    try {
      verifyChain({ chain, roots: roots.map(parseCertificate), now })
      return true
    } catch {
      return false
    }
  }

  async #rotate(): Promise<void> {
    const { signer, keyType, clock, log } = this.#options
    log.debug('Rotating server SVID')
    const key = await generateKey(keyType)
    const notBeforeMs = clock.nowMs() - backdateMs
    const publicKey = key.publicKey.export({ type: 'spki', format: 'der' })
    const { chain, expiresAtSeconds } = await signer.issueServerSvid({ publicKey })
    this.#svid = { key: key.privateKey, chain }
    this.#expiresAtMs = expiresAtSeconds * 1000
    this.#rotateAtMs = (notBeforeMs + this.#expiresAtMs) / 2
  }
}

const generatePair = promisify(generateKeyPair)

async function generateKey(
  type: KeyType,
): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  switch (type) {
    case 'ec-p256':
      return await generatePair('ec', { namedCurve: 'P-256' })
    case 'ec-p384':
      return await generatePair('ec', { namedCurve: 'P-384' })
    case 'rsa-2048':
      return await generatePair('rsa', { modulusLength: 2048 })
    case 'rsa-4096':
      return await generatePair('rsa', { modulusLength: 4096 })
    default:
      return type satisfies never
  }
}
