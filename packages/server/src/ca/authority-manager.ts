import { randomBytes } from 'node:crypto'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import { errorText } from '@mini-spire/runtime/grpc/status-text'
import type { KeyManager, KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { Turns } from '@mini-spire/runtime/turns'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { keyIdentifier, parsePublicKey } from '@mini-spire/sdk/x509'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import type { X509Authority } from '../model/trust-bundle.ts'
import type { Store } from '../store/store.ts'
import { AuthorityRotation } from './authority-rotation.ts'
import { CaError } from './ca-error.ts'
import { type CaMetrics, noCaMetrics } from './ca-metrics.ts'
import type { CredentialComposers } from './credential-composers.ts'
import { Journal, type JournalReader } from './journal.ts'
import { type JwtKey, keyIdFromBytes, keyIdLength } from './jwt-key.ts'
import { jwtKind } from './jwt-kind.ts'
import { type PublishJwtAuthority, publishLocally } from './jwt-publisher.ts'
import { LocalAuthorities } from './local-authorities.ts'
import { leaveTaintedRoots } from './tainted-upstream.ts'
import { witKind } from './wit-kind.ts'
import type { X509Ca } from './x509-ca.ts'
import { selfSigningIssuer, type X509CaIssuer } from './x509-ca-issuer.ts'
import { x509Kind } from './x509-kind.ts'

/** How often it is looked whether an authority is due. */
const tickMs = 10_000

/** More failed rotations than this since the start, and the server says it is not healthy. */
const maxFailedRotations = 10

/** Options of {@link AuthorityManager}. */
export interface AuthorityManagerOptions {
  readonly trustDomain: TrustDomain
  readonly keyManager: KeyManager
  readonly bundle: OwnBundle
  readonly store: Pick<Store, 'commit'>
  readonly journals: JournalReader
  readonly clock: Clock
  readonly log: Logger
  readonly x509KeyType: KeyType
  readonly jwtKeyType: KeyType
  /** `ca_ttl`: how long an authority lives. */
  readonly caTtlSeconds: number
  /** `ca_subject`. */
  readonly caSubject: DistinguishedName
  readonly isJwtDisabled: boolean
  /** @default WIT-SVIDs are switched off */
  readonly witKeyType?: KeyType | undefined
  /** Change what self-signed CA certificates say. @default nobody does */
  readonly composers?: CredentialComposers
  /** @default every X.509 authority is its own root */
  readonly x509Issuer?: X509CaIssuer
  /** @default in the own bundle only */
  readonly publishJwtAuthority?: PublishJwtAuthority
  /** @default counts nothing */
  readonly metrics?: CaMetrics
  /** @default the system's randomness */
  readonly serialNumbers?: SerialNumbers
  /** @default 32 random characters */
  readonly newKeyId?: () => string
}

/**
 * The server's signing authorities: prepares them ahead of time, switches to them, remembers them across restarts.
 *
 * X.509, JWT and WIT authorities rotate independently. Signing never waits for any of this: it takes the active authority.
 *
 * @example
 * const authorities = new AuthorityManager(options)
 * await authorities.start()
 * await authorities.run(signal) // until the server stops
 */
export class AuthorityManager {
  readonly #options: AuthorityManagerOptions
  readonly #x509: AuthorityRotation<X509Ca>
  readonly #jwt: AuthorityRotation<JwtKey>
  readonly #wit: AuthorityRotation<JwtKey> | undefined
  #journal: Journal
  #failedRotations = 0
  /** Ticks and operators' commands wait for each other. */
  readonly #turns = new Turns()
  /** What operators may do by hand. */
  readonly local: LocalAuthorities

  constructor(options: AuthorityManagerOptions) {
    this.#options = options
    this.#journal = Journal.find(options, new Set())
    const { clock, log } = options
    const ttlSeconds = options.caTtlSeconds
    const journal = (): Journal => this.#journal
    const { serialNumbers = new SerialNumbers(), metrics = noCaMetrics, bundle } = options
    const issuer =
      options.x509Issuer ??
      selfSigningIssuer({ ...options, subject: options.caSubject, ttlSeconds, serialNumbers })
    const x509 = x509Kind({ ...options, keyType: options.x509KeyType, issuer, journal })
    const newKeyId = options.newKeyId ?? (() => keyIdFromBytes(randomBytes(keyIdLength)))
    const token = { ...options, ttlSeconds, journal, newKeyId }
    const publish = options.publishJwtAuthority ?? publishLocally(bundle)
    const jwt = jwtKind({ ...token, keyType: options.jwtKeyType, publish })
    this.#x509 = new AuthorityRotation({ kind: x509, clock, log, metrics })
    this.#jwt = new AuthorityRotation({ kind: jwt, clock, log, metrics })
    if (options.witKeyType !== undefined) {
      const wit = witKind({ ...token, keyType: options.witKeyType })
      this.#wit = new AuthorityRotation({ kind: wit, clock, log, metrics })
    }
    this.local = new LocalAuthorities({
      ...options,
      x509: this.#x509,
      jwt: this.#jwt,
      journal,
      turns: this.#turns,
      isUpstream: issuer.isUpstream,
    })
  }

  /**
   * Takes up what this server remembers and makes what is missing; afterwards it can sign.
   *
   * @throws whatever went wrong: a server without authorities does not start
   */
  async start(): Promise<void> {
    await this.#turns.run(async () => {
      this.#journal = Journal.find(this.#options, await this.#keyIds())
      this.#logJournal()
      await this.#x509.load()
      if (!this.#options.isJwtDisabled) await this.#jwt.load()
      await this.#wit?.load()
      const [failure] = await this.#rotate()
      if (failure !== undefined) throw failure
    })
  }

  /** Does what is due now. Failures are logged and counted; they never throw. */
  async tick(): Promise<void> {
    await this.#turns.run(() => this.#rotate())
  }

  /** Ticks every ten seconds until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (await sleep(this.#options.clock, tickMs, signal)) await this.tick()
  }

  /** Whether rotation has failed too often since the start; health check `server.ca.rotator`. */
  get hasFailedTooOften(): boolean {
    return this.#failedRotations > maxFailedRotations
  }

  /**
   * Stops signing below roots that the upstream authority has tainted, and marks them in the bundle then.
   *
   * @throws whatever kept a new authority from being prepared; to be tried again
   */
  async leaveTaintedRoots(tainted: readonly X509Authority[]): Promise<void> {
    const { bundle, clock, log } = this.#options
    const options = { rotation: this.#x509, bundle, clock, log }
    await this.#turns.run(() => leaveTaintedRoots(options, tainted))
  }

  /**
   * The X.509 authority that signs now.
   *
   * @throws {CaError} `ERR_X509_CA_UNAVAILABLE`
   */
  x509(): X509Ca {
    const active = this.#x509.active
    if (!active)
      throw new CaError('ERR_X509_CA_UNAVAILABLE', 'X509 CA is not available for signing')
    return active
  }

  /**
   * The JWT authority that signs now.
   *
   * @throws {CaError} `ERR_JWT_KEY_UNAVAILABLE`
   */
  jwt(): JwtKey {
    const active = this.#jwt.active
    if (!active)
      throw new CaError('ERR_JWT_KEY_UNAVAILABLE', 'JWT key is not available for signing')
    return active
  }

  /**
   * The WIT authority that signs now.
   *
   * @throws {CaError} `ERR_WIT_KEY_UNAVAILABLE`
   */
  wit(): JwtKey {
    const active = this.#wit?.active
    if (!active)
      throw new CaError('ERR_WIT_KEY_UNAVAILABLE', 'WIT key is not available for signing')
    return active
  }

  get isWitDisabled(): boolean {
    return this.#wit === undefined
  }

  get isJwtDisabled(): boolean {
    return this.#options.isJwtDisabled
  }

  async #rotate(): Promise<readonly unknown[]> {
    const failures: unknown[] = []
    await this.#attempt('Unable to rotate X509 CA', failures, () => this.#x509.tick())
    // Without an X.509 authority the journal could not keep a JWT authority either.
    if (failures.length > 0 && this.#x509.slots.current.isEmpty) return failures
    if (!this.isJwtDisabled)
      await this.#attempt('Unable to rotate JWT key', failures, () => this.#jwt.tick())
    const wit = this.#wit
    if (wit) await this.#attempt('Unable to rotate WIT key', failures, () => wit.tick())
    await this.#saveJournal()
    return failures
  }

  #logJournal(): void {
    const { log } = this.#options
    if (this.#journal.isNew)
      log.info('There is not a CA journal record that matches any of the local X509 authority IDs')
    log.info('Journal loaded', {
      x509_cas: this.#journal.x509Authorities.length,
      jwt_keys: this.#journal.jwtAuthorities.length,
      wit_keys: this.#journal.witAuthorities.length,
    })
  }

  async #attempt(text: string, failures: unknown[], work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#failedRotations++
      this.#options.log.error(text, { error: errorText(error) })
      failures.push(error)
    }
  }

  async #saveJournal(): Promise<void> {
    try {
      await this.#journal.saveIfNeeded()
    } catch (error) {
      this.#options.log.error('Unable to save CA journal', { error })
    }
  }

  async #keyIds(): Promise<ReadonlySet<string>> {
    const keys = await this.#options.keyManager.listKeys()
    return new Set(keys.map((key) => keyIdentifier(parsePublicKey(key.publicKey)).toString('hex')))
  }
}
