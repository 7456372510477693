import { randomBytes } from 'node:crypto'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { KeyManager, KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { DistinguishedName } from '@mini-spire/runtime/x509/name'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { keyIdentifier, parsePublicKey } from '@mini-spire/sdk/x509'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { AuthorityStatus } from '../model/authority.ts'
import type { Store } from '../store/store.ts'
import { AuthorityRotation } from './authority-rotation.ts'
import type { AuthoritySlot, SlotState } from './authority-slot.ts'
import { CaError } from './ca-error.ts'
import { type CaMetrics, noCaMetrics } from './ca-metrics.ts'
import { Journal, type JournalReader } from './journal.ts'
import { type JwtKey, keyIdFromBytes, keyIdLength } from './jwt-key.ts'
import { jwtKind } from './jwt-kind.ts'
import type { X509Ca } from './x509-ca.ts'
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
  /** @default counts nothing */
  readonly metrics?: CaMetrics
  /** @default the system's randomness */
  readonly serialNumbers?: SerialNumbers
  /** @default 32 random characters */
  readonly newKeyId?: () => string
}

/** What an operator sees of a kind of authority. */
export interface AuthorityStates {
  readonly active: SlotState | undefined
  readonly prepared: SlotState | undefined
  readonly old: SlotState | undefined
}

/**
 * The server's signing authorities: prepares them ahead of time, switches to them, remembers them across restarts.
 *
 * X.509 and JWT authorities rotate independently. Signing never waits for any of this: it takes the active authority.
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
  #journal: Journal
  #failedRotations = 0
  #lastTurn: Promise<unknown> = Promise.resolve()

  constructor(options: AuthorityManagerOptions) {
    this.#options = options
    this.#journal = Journal.find(options, new Set())
    const { clock, log } = options
    const shared = {
      ...options,
      ttlSeconds: options.caTtlSeconds,
      journal: () => this.#journal,
      serialNumbers: options.serialNumbers ?? new SerialNumbers(),
      newKeyId: options.newKeyId ?? (() => keyIdFromBytes(randomBytes(keyIdLength))),
    }
    const metrics = options.metrics ?? noCaMetrics
    const keyType = options.x509KeyType
    const x509 = x509Kind({ ...shared, keyType, subject: options.caSubject })
    const jwt = jwtKind({ ...shared, keyType: options.jwtKeyType })
    this.#x509 = new AuthorityRotation({ kind: x509, clock, log, metrics })
    this.#jwt = new AuthorityRotation({ kind: jwt, clock, log, metrics })
  }

  /**
   * Takes up what this server remembers and makes what is missing; afterwards it can sign.
   *
   * @throws whatever went wrong: a server without authorities does not start
   */
  async start(): Promise<void> {
    await this.#inTurn(async () => {
      this.#journal = Journal.find(this.#options, await this.#keyIds())
      this.#logJournal()
      await this.#x509.load()
      if (!this.#options.isJwtDisabled) await this.#jwt.load()
      const [failure] = await this.#rotate()
      if (failure !== undefined) throw failure
    })
  }

  /** Does what is due now. Failures are logged and counted; they never throw. */
  async tick(): Promise<void> {
    await this.#inTurn(() => this.#rotate())
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

  get isJwtDisabled(): boolean {
    return this.#options.isJwtDisabled
  }

  x509States(): AuthorityStates {
    return statesOf(this.#x509)
  }

  jwtStates(): AuthorityStates {
    return statesOf(this.#jwt)
  }

  /** Prepares an X.509 authority ahead of schedule; one that is prepared already is replaced. */
  async prepareX509(): Promise<SlotState> {
    return await this.#inTurn(async () => (await this.#x509.prepare()).state)
  }

  /** Prepares a JWT authority ahead of schedule. @throws {CaError} `ERR_JWT_DISABLED` */
  async prepareJwt(): Promise<SlotState> {
    this.#requireJwt()
    return await this.#inTurn(async () => (await this.#jwt.prepare()).state)
  }

  /**
   * Makes the prepared X.509 authority sign from now on.
   *
   * @throws {CaError} `ERR_AUTHORITY_UNEXPECTED` when the next slot has another one, `ERR_AUTHORITY_STATUS` when it is old
   */
  async activateX509(authorityId: string): Promise<SlotState> {
    return await this.#inTurn(() => activate(this.#x509, authorityId))
  }

  /** Makes the prepared JWT authority sign from now on. @throws {CaError} as {@link AuthorityManager.activateX509} */
  async activateJwt(authorityId: string): Promise<SlotState> {
    this.#requireJwt()
    return await this.#inTurn(() => activate(this.#jwt, authorityId))
  }

  #requireJwt(): void {
    if (this.isJwtDisabled) throw new CaError('ERR_JWT_DISABLED', 'JWT functionality is disabled')
  }

  async #rotate(): Promise<readonly unknown[]> {
    const failures: unknown[] = []
    await this.#attempt('Unable to rotate X509 CA', failures, () => this.#x509.tick())
    // Without an X.509 authority the journal could not keep a JWT authority either.
    if (failures.length > 0 && this.#x509.slots.current.isEmpty) return failures
    if (!this.isJwtDisabled)
      await this.#attempt('Unable to rotate JWT key', failures, () => this.#jwt.tick())
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
      wit_keys: 0,
    })
  }

  async #attempt(text: string, failures: unknown[], work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#failedRotations++
      this.#options.log.error(text, { error })
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

  /** Ticks and operators' commands wait for each other. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastTurn.then(work)
    this.#lastTurn = turn.catch(() => {})
    return turn
  }
}

function statesOf<Authority>({ slots }: AuthorityRotation<Authority>): AuthorityStates {
  const withStatus = (
    slot: AuthoritySlot<Authority>,
    status: AuthorityStatus,
  ): SlotState | undefined => (slot.status === status ? slot.state : undefined)
  return {
    active: withStatus(slots.current, AuthorityStatus.Active),
    prepared: withStatus(slots.next, AuthorityStatus.Prepared),
    old: withStatus(slots.next, AuthorityStatus.Old),
  }
}

async function activate<Authority>(
  rotation: AuthorityRotation<Authority>,
  authorityId: string,
): Promise<SlotState> {
  if (rotation.slots.next.authorityId !== authorityId)
    throw new CaError('ERR_AUTHORITY_UNEXPECTED', 'unexpected authority ID')
  await rotation.rotate()
  return rotation.slots.current.state
}
