import { AuthorityStatus, type SlotId } from '../model/authority.ts'
import { activationThresholdMs, preparationThresholdMs } from './rotation.ts'

/** An authority that fills a slot: what signs, and what the slot remembers of it after it has gone. */
export interface SlotContent<Authority> {
  readonly authority: Authority
  readonly authorityId: string
  /** Empty when self-signed, and for JWT authorities. */
  readonly upstreamAuthorityId: string
  readonly issuedAtSeconds: number
  readonly notAfterSeconds: number
}

/** What can be told of a slot's authority, also after its key was dropped. */
export interface SlotState {
  readonly slotId: SlotId
  readonly status: AuthorityStatus
  readonly authorityId: string
  readonly upstreamAuthorityId: string
  readonly notAfterSeconds: number
}

/** One of the two places of an authority kind. It is empty when it holds no key or its authority is old. */
export class AuthoritySlot<Authority> {
  readonly id: SlotId
  #status: AuthorityStatus = AuthorityStatus.Unknown
  #content: Omit<SlotContent<Authority>, 'authority'> | undefined
  #authority: Authority | undefined

  constructor(id: SlotId) {
    this.id = id
  }

  get status(): AuthorityStatus {
    return this.#status
  }

  get isEmpty(): boolean {
    return this.#authority === undefined || this.#status === AuthorityStatus.Old
  }

  /** The authority, while the slot has its key. */
  get authority(): Authority | undefined {
    return this.#authority
  }

  get authorityId(): string {
    return this.#content?.authorityId ?? ''
  }

  get issuedAtSeconds(): number {
    return this.#content?.issuedAtSeconds ?? 0
  }

  get state(): SlotState {
    return {
      slotId: this.id,
      status: this.#status,
      authorityId: this.authorityId,
      upstreamAuthorityId: this.#content?.upstreamAuthorityId ?? '',
      notAfterSeconds: this.#content?.notAfterSeconds ?? 0,
    }
  }

  fill(content: SlotContent<Authority>, status: AuthorityStatus): void {
    const { authority, ...rest } = content
    this.#authority = authority
    this.#content = rest
    this.#status = status
  }

  activate(): void {
    this.#status = AuthorityStatus.Active
  }

  /** Drops the key. Identifier and expiry are kept: an operator may still taint or revoke what this signed. */
  reset(): void {
    this.#authority = undefined
    this.#status = AuthorityStatus.Old
  }

  shouldPrepareNext(nowMs: number): boolean {
    return nowMs > preparationThresholdMs(this.#life())
  }

  shouldActivateNext(nowMs: number): boolean {
    return nowMs > activationThresholdMs(this.#life())
  }

  #life(): { readonly issuedAtMs: number; readonly notAfterMs: number } {
    const { issuedAtSeconds = 0, notAfterSeconds = 0 } = this.#content ?? {}
    return { issuedAtMs: issuedAtSeconds * 1000, notAfterMs: notAfterSeconds * 1000 }
  }
}

/** The other of the two slots. */
export function otherSlotId(id: SlotId): SlotId {
  return id === 'A' ? 'B' : 'A'
}

/** The two slots of a kind: the one that signs, and the one that waits or has gone. They swap on rotation. */
export interface SlotPair<Authority> {
  readonly current: AuthoritySlot<Authority>
  readonly next: AuthoritySlot<Authority>
}

/**
 * Chooses the slots from what a journal remembers, newest first: an active one is current, without one a prepared one, without
 * that an old one, which counts as empty; the other slot is next.
 */
export function chooseSlots<Authority>(
  newestFirst: Iterable<AuthoritySlot<Authority>>,
): SlotPair<Authority> {
  const slots = [...newestFirst]
  const current =
    slots.find(({ status }) => status === AuthorityStatus.Active) ??
    slots.find(({ isEmpty }) => !isEmpty) ??
    slots[0] ??
    new AuthoritySlot<Authority>('A')
  const otherId = otherSlotId(current.id)
  const next = slots.find(({ id }) => id === otherId) ?? new AuthoritySlot<Authority>(otherId)
  return { current, next }
}
