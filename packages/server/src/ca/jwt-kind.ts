import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager, KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { AuthorityStatus, type JwtAuthorityRecord, type SlotId } from '../model/authority.ts'
import type { AuthorityKind } from './authority-kind.ts'
import { AuthoritySlot, chooseSlots, type SlotContent, type SlotPair } from './authority-slot.ts'
import { caCause, type Journal } from './journal.ts'
import { type JwtKey, makeJwtKey } from './jwt-key.ts'
import type { PublishJwtAuthority } from './jwt-publisher.ts'
import { unusableReason } from './unusable-slot.ts'

/** Options of {@link jwtKind}. */
export interface JwtKindOptions {
  readonly keyType: KeyType
  readonly ttlSeconds: number
  readonly keyManager: KeyManager
  readonly bundle: OwnBundle
  readonly publish: PublishJwtAuthority
  readonly journal: () => Journal
  /** Draws a `kid`. */
  readonly newKeyId: () => string
  readonly clock: Clock
  readonly log: Logger
}

const texts = {
  preparing: 'Preparing JWT key',
  prepared: 'JWT key prepared',
  activated: 'JWT key activated',
  journalAppendFailed: 'Unable to append JWT key to journal',
  journalStatusFailed: 'Failed to update status on JWTKey journal entry',
  journalActivationFailed: 'Failed to update to activated status on JWTKey journal entry',
} as const

/** ID of the key of a JWT authority slot. */
export function jwtSlotKeyId(slotId: SlotId): string {
  return `JWT-Signer-${slotId}`
}

/** JWT authorities: a key and its `kid`. */
export function jwtKind(options: JwtKindOptions): AuthorityKind<JwtKey> {
  return {
    name: 'jwt_key',
    texts,
    load: () => load(options),
    make: (slotId) => make(options, slotId),
    remember: (slotId, content) =>
      options.journal().appendJwt({
        slotId,
        issuedAtSeconds: content.issuedAtSeconds,
        notAfterSeconds: content.notAfterSeconds,
        keyId: content.authorityId,
        publicKey: content.authority.key.publicKey,
        status: AuthorityStatus.Prepared,
      }),
    setStatus: (keyId, status) => options.journal().setJwtStatus(keyId, status),
    logFields: (slot) => ({
      slot: slot.id,
      issued_at: new Date(slot.issuedAtSeconds * 1000),
      expiration: new Date(slot.state.notAfterSeconds * 1000),
      local_authority_id: slot.authorityId,
    }),
    preparedFields: () => ({}),
  }
}

async function make(options: JwtKindOptions, slotId: SlotId): Promise<SlotContent<JwtKey>> {
  const issuedAtSeconds = Math.floor(options.clock.nowMs() / 1000)
  const notAfterSeconds = Math.floor(issuedAtSeconds + options.ttlSeconds)
  const key = await options.keyManager.generateKey(jwtSlotKeyId(slotId), options.keyType)
  const keyId = options.newKeyId()
  const { publicKey } = key
  const authority = { keyId, publicKey, expiresAtSeconds: notAfterSeconds }
  await options.publish(authority, caCause('jwt authority prepared'))
  return contentOf(makeJwtKey({ keyId, notAfterSeconds, key }), issuedAtSeconds)
}

function contentOf(authority: JwtKey, issuedAtSeconds: number): SlotContent<JwtKey> {
  const { keyId: authorityId, notAfterSeconds } = authority
  return { authority, authorityId, upstreamAuthorityId: '', issuedAtSeconds, notAfterSeconds }
}

/**
 * The slots that the journal remembers, without authorities that are not in the bundle any more. A tainted one is old,
 * whatever the journal says.
 */
async function load(options: JwtKindOptions): Promise<SlotPair<JwtKey>> {
  const bundle = options.bundle.get()
  const slots: AuthoritySlot<JwtKey>[] = []
  for (const record of options.journal().jwtAuthorities.toReversed()) {
    const published = bundle?.jwtAuthorities.find(({ keyId }) => keyId === record.keyId)
    if (bundle && !published) continue
    const slot = await loadSlot(options, record)
    if (published?.tainted) slot?.reset()
    if (slot) slots.push(slot)
  }
  return chooseSlots(slots)
}

async function loadSlot(
  options: JwtKindOptions,
  record: JwtAuthorityRecord,
): Promise<AuthoritySlot<JwtKey> | undefined> {
  const { publicKey, keyId, notAfterSeconds, issuedAtSeconds, status } = record
  const key = await options.keyManager.findKey(jwtSlotKeyId(record.slotId))
  const nowSeconds = options.clock.nowMs() / 1000
  const reason = unusableReason({ record, publicKey, key, nowSeconds })
  if (reason !== undefined || !key) {
    options.log.warn('JWT key slot unusable', {
      error: reason,
      slot: record.slotId,
      issued_at: new Date(issuedAtSeconds * 1000),
      local_authority_id: keyId,
    })
    return undefined
  }
  const slot = new AuthoritySlot<JwtKey>(record.slotId)
  slot.fill(contentOf(makeJwtKey({ keyId, notAfterSeconds, key }), issuedAtSeconds), status)
  return slot
}
