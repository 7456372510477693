import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager, KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { AuthorityStatus, type JwtAuthorityRecord, type SlotId } from '../model/authority.ts'
import type { JwtAuthority, TrustBundle } from '../model/trust-bundle.ts'
import type { AuthorityKind } from './authority-kind.ts'
import { AuthoritySlot, chooseSlots, type SlotContent, type SlotPair } from './authority-slot.ts'
import type { AuthorityKindName } from './ca-metrics.ts'
import { caCause } from './journal.ts'
import { type JwtKey, makeJwtKey } from './jwt-key.ts'
import type { PublishJwtAuthority } from './jwt-publisher.ts'
import { statusText, unusableReason } from './unusable-slot.ts'

/** Options of {@link tokenKeyKind}. */
export interface TokenKeyOptions {
  readonly keyType: KeyType
  readonly ttlSeconds: number
  readonly keyManager: KeyManager
  readonly bundle: OwnBundle
  /** Draws a `kid`. */
  readonly newKeyId: () => string
  readonly clock: Clock
  readonly log: Logger
}

/** What differs between kinds of authorities that sign tokens. */
export interface TokenKeyProfile {
  readonly name: AuthorityKindName
  /** How texts and key IDs call it. */
  readonly label: 'JWT' | 'WIT'
  readonly tokenType: 'JWT' | 'wit+jwt'
  readonly publish: PublishJwtAuthority
  /** The authorities of this kind in a bundle. */
  readonly publishedIn: (bundle: TrustBundle) => readonly JwtAuthority[]
  /** What the journal remembers of this kind, oldest first. */
  readonly records: () => readonly JwtAuthorityRecord[]
  readonly append: (record: JwtAuthorityRecord) => Promise<void>
  readonly setStatus: (keyId: string, status: AuthorityStatus) => Promise<void>
}

function textsOf(label: TokenKeyProfile['label']): AuthorityKind<JwtKey>['texts'] {
  return {
    preparing: `Preparing ${label} key`,
    prepared: `${label} key prepared`,
    activated: `${label} key activated`,
    journalAppendFailed: `Unable to append ${label} key to journal`,
    journalStatusFailed: `Failed to update status on ${label}Key journal entry`,
    journalActivationFailed: `Failed to update to activated status on ${label}Key journal entry`,
  }
}

/** ID of the key of a slot. */
export function tokenSlotKeyId(label: TokenKeyProfile['label'], slotId: SlotId): string {
  return `${label}-Signer-${slotId}`
}

/** Authorities that sign tokens: a key and its `kid`. */
export function tokenKeyKind(
  options: TokenKeyOptions,
  profile: TokenKeyProfile,
): AuthorityKind<JwtKey> {
  return {
    name: profile.name,
    texts: textsOf(profile.label),
    load: () => load(options, profile),
    make: (slotId) => make(options, profile, slotId),
    remember: (slotId, content) =>
      profile.append({
        slotId,
        issuedAtSeconds: content.issuedAtSeconds,
        notAfterSeconds: content.notAfterSeconds,
        keyId: content.authorityId,
        publicKey: content.authority.key.publicKey,
        status: AuthorityStatus.Prepared,
      }),
    setStatus: profile.setStatus,
    logFields: (slot) => ({
      slot: slot.id,
      issued_at: new Date(slot.issuedAtSeconds * 1000),
      expiration: new Date(slot.state.notAfterSeconds * 1000),
      local_authority_id: slot.authorityId,
    }),
    preparedFields: () => ({}),
  }
}

async function make(
  options: TokenKeyOptions,
  { label, tokenType, publish }: TokenKeyProfile,
  slotId: SlotId,
): Promise<SlotContent<JwtKey>> {
  const issuedAtSeconds = Math.floor(options.clock.nowMs() / 1000)
  const notAfterSeconds = Math.floor(issuedAtSeconds + options.ttlSeconds)
  const key = await options.keyManager.generateKey(tokenSlotKeyId(label, slotId), options.keyType)
  const keyId = options.newKeyId()
  const { publicKey } = key
  const authority = { keyId, publicKey, expiresAtSeconds: notAfterSeconds }
  await publish(authority, caCause(`${label.toLowerCase()} authority prepared`))
  return contentOf(makeJwtKey({ keyId, notAfterSeconds, key, tokenType }), issuedAtSeconds)
}

function contentOf(authority: JwtKey, issuedAtSeconds: number): SlotContent<JwtKey> {
  const { keyId: authorityId, notAfterSeconds } = authority
  return { authority, authorityId, upstreamAuthorityId: '', issuedAtSeconds, notAfterSeconds }
}

/**
 * The slots that the journal remembers, without authorities that are not in the bundle any more. A tainted one is old,
 * whatever the journal says.
 */
async function load(options: TokenKeyOptions, profile: TokenKeyProfile): Promise<SlotPair<JwtKey>> {
  const bundle = options.bundle.get()
  const slots: AuthoritySlot<JwtKey>[] = []
  for (const record of profile.records().toReversed()) {
    const published =
      bundle && profile.publishedIn(bundle).find(({ keyId }) => keyId === record.keyId)
    if (bundle && !published) continue
    const slot = await loadSlot(options, profile, record)
    if (published?.tainted) slot?.reset()
    if (slot) slots.push(slot)
  }
  return chooseSlots(slots)
}

async function loadSlot(
  options: TokenKeyOptions,
  { label, tokenType }: TokenKeyProfile,
  record: JwtAuthorityRecord,
): Promise<AuthoritySlot<JwtKey> | undefined> {
  const { publicKey, keyId, notAfterSeconds, issuedAtSeconds, status } = record
  const key = await options.keyManager.findKey(tokenSlotKeyId(label, record.slotId))
  const nowSeconds = options.clock.nowMs() / 1000
  const reason = unusableReason({ record, publicKey, key, nowSeconds })
  if (reason !== undefined || !key) {
    options.log.warn(`${label} key slot unusable`, {
      error: reason,
      slot: record.slotId,
      issued_at: new Date(issuedAtSeconds * 1000),
      status: statusText(record.status),
      local_authority_id: keyId,
    })
    return undefined
  }
  const slot = new AuthoritySlot<JwtKey>(record.slotId)
  slot.fill(
    contentOf(makeJwtKey({ keyId, notAfterSeconds, key, tokenType }), issuedAtSeconds),
    status,
  )
  return slot
}
