import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { AuthorityStatus } from '../model/authority.ts'
import type { AuthorityKind } from './authority-kind.ts'
import { AuthoritySlot, type SlotPair } from './authority-slot.ts'
import { CaError } from './ca-error.ts'
import type { CaMetrics } from './ca-metrics.ts'

/** Options of {@link AuthorityRotation}. */
export interface AuthorityRotationOptions<Authority> {
  readonly kind: AuthorityKind<Authority>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: CaMetrics
}

/**
 * The life of one kind of authority in its two slots: prepared, active, old.
 *
 * A new authority is in the bundle a whole overlap before it signs, so that everybody who verifies has it by then. What is
 * said to be active signs at once; a failure to remember it is logged, and made good later by the journal.
 */
export class AuthorityRotation<Authority> {
  readonly #options: AuthorityRotationOptions<Authority>
  #slots: SlotPair<Authority> = { current: new AuthoritySlot('A'), next: new AuthoritySlot('B') }
  #active: Authority | undefined

  constructor(options: AuthorityRotationOptions<Authority>) {
    this.#options = options
  }

  /** What signs now; undefined before the first activation. */
  get active(): Authority | undefined {
    return this.#active
  }

  get slots(): SlotPair<Authority> {
    return this.#slots
  }

  /** Takes up what the journal remembers; an authority that is not due to be replaced signs at once. */
  async load(): Promise<void> {
    this.#slots = await this.#options.kind.load()
    const { current } = this.#slots
    if (current.isEmpty || current.shouldActivateNext(this.#options.clock.nowMs())) return
    current.activate()
    await this.#signWithCurrent()
  }

  /** Does whatever is due: fills an empty current slot, prepares the next authority, rotates to it. */
  async tick(): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    const { current } = this.#slots
    if (current.isEmpty) {
      await this.prepare()
      current.activate()
      await this.#signWithCurrent()
    }
    if (this.#slots.next.isEmpty && current.shouldPrepareNext(nowMs)) await this.prepare()
    if (current.shouldActivateNext(nowMs)) await this.rotate()
  }

  /**
   * Prepares an authority in the current slot if that is empty, else in the next, whatever that holds. The slot is cleared
   * first: a failure leaves it empty.
   */
  async prepare(): Promise<AuthoritySlot<Authority>> {
    const { kind, clock, metrics } = this.#options
    const startedMs = clock.nowMs()
    try {
      const slot = await this.#prepareSlot()
      metrics.prepared(kind.name, { durationMs: clock.nowMs() - startedMs, error: undefined })
      return slot
    } catch (error) {
      metrics.prepared(kind.name, { durationMs: clock.nowMs() - startedMs, error })
      throw error
    }
  }

  async #prepareSlot(): Promise<AuthoritySlot<Authority>> {
    const { kind, log } = this.#options
    const slot = this.#slots.current.isEmpty ? this.#slots.current : this.#slots.next
    log.debug(kind.texts.preparing, { slot: slot.id })
    slot.reset()
    const content = await kind.make(slot.id)
    slot.fill(content, AuthorityStatus.Prepared)
    await this.#remembering(slot, kind.texts.journalAppendFailed, () =>
      kind.remember(slot.id, content),
    )
    log.info(kind.texts.prepared, { ...kind.logFields(slot), ...kind.preparedFields(slot) })
    return slot
  }

  /**
   * Swaps the slots: the next authority signs from now on, the former one is old and its key dropped.
   *
   * @throws {CaError} `ERR_AUTHORITY_STATUS` when none is prepared
   */
  async rotate(): Promise<void> {
    const { kind } = this.#options
    const { current, next } = this.#slots
    if (next.isEmpty)
      throw new CaError('ERR_AUTHORITY_STATUS', 'only Prepared authorities can be activated')
    this.#slots = { current: next, next: current }
    // At once: while the journal is written there is an active authority for who asks which it is.
    next.activate()
    current.reset()
    await this.#remembering(current, kind.texts.journalStatusFailed, () =>
      kind.setStatus(current.authorityId, AuthorityStatus.Old),
    )
    await this.#signWithCurrent()
  }

  /** What the current slot holds, which is active, signs from now on. */
  async #signWithCurrent(): Promise<void> {
    const { kind, log, metrics } = this.#options
    const { current } = this.#slots
    log.info(kind.texts.activated, kind.logFields(current))
    this.#active = current.authority
    metrics.activated(kind.name, { notAfterSeconds: current.state.notAfterSeconds })
    await this.#remembering(current, kind.texts.journalActivationFailed, () =>
      kind.setStatus(current.authorityId, AuthorityStatus.Active),
    )
    kind.logActivated?.(current)
  }

  async #remembering(
    slot: AuthoritySlot<Authority>,
    failure: string,
    remember: () => Promise<void>,
  ): Promise<void> {
    try {
      await remember()
    } catch (error) {
      this.#options.log.error(failure, { slot: slot.id, error })
    }
  }
}
