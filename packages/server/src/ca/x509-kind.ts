import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager, KeyType } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { parseCertificate } from '@mini-spire/sdk/x509'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { AuthorityStatus, type SlotId, type X509AuthorityRecord } from '../model/authority.ts'
import type { AuthorityKind } from './authority-kind.ts'
import { AuthoritySlot, chooseSlots, type SlotContent, type SlotPair } from './authority-slot.ts'
import type { Journal } from './journal.ts'
import { statusText, type UnusableReason, unusableReason } from './unusable-slot.ts'
import { makeX509Ca, type X509Ca } from './x509-ca.ts'
import type { X509CaIssuer } from './x509-ca-issuer.ts'

/** Options of {@link x509Kind}. */
export interface X509KindOptions {
  readonly keyType: KeyType
  readonly issuer: X509CaIssuer
  readonly keyManager: KeyManager
  readonly bundle: OwnBundle
  readonly journal: () => Journal
  readonly clock: Clock
  readonly log: Logger
}

const texts = {
  preparing: 'Preparing X509 CA',
  prepared: 'X509 CA prepared',
  activated: 'X509 CA activated',
  journalAppendFailed: 'Unable to append X509 CA to journal',
  journalStatusFailed: 'Failed to update status on X509CA journal entry',
  journalActivationFailed: 'Failed to update to activated status on X509CA journal entry',
} as const

/** ID of the key of an X.509 authority slot. */
export function x509KeyId(slotId: SlotId): string {
  return `x509-CA-${slotId}`
}

/** X.509 authorities: a key, its certificate, and who signed that. */
export function x509Kind(options: X509KindOptions): AuthorityKind<X509Ca> {
  return {
    name: 'x509_ca',
    texts,
    load: () => load(options),
    make: (slotId) => make(options, slotId),
    remember: (slotId, content) =>
      options.journal().appendX509({
        slotId,
        issuedAtSeconds: content.issuedAtSeconds,
        notAfterSeconds: content.notAfterSeconds,
        certificate: content.authority.certificate,
        upstreamChain: content.authority.upstreamChain,
        status: AuthorityStatus.Prepared,
        authorityId: content.authorityId,
        upstreamAuthorityId: content.upstreamAuthorityId,
      }),
    setStatus: (authorityId, status) => options.journal().setX509Status(authorityId, status),
    logFields: (slot) => ({
      slot: slot.id,
      issued_at: new Date(slot.issuedAtSeconds * 1000),
      expiration: new Date(slot.state.notAfterSeconds * 1000),
      local_authority_id: slot.authorityId,
      upstream_authority_id: slot.state.upstreamAuthorityId,
    }),
    preparedFields: (slot) => ({ self_signed: slot.state.upstreamAuthorityId === '' }),
    logActivated: (slot) =>
      options.log.debug('Successfully rotated X.509 CA', {
        trust_domain_id: options.bundle.trustDomain.idString,
        ttl: slot.state.notAfterSeconds - options.clock.nowMs() / 1000,
      }),
  }
}

async function make(options: X509KindOptions, slotId: SlotId): Promise<SlotContent<X509Ca>> {
  const nowMs = options.clock.nowMs()
  const key = await options.keyManager.generateKey(x509KeyId(slotId), options.keyType)
  const issued = await options.issuer.issue({ key, nowMs })
  const authority = makeX509Ca({ ...issued, key })
  return contentOf(authority, Math.floor(nowMs / 1000))
}

function contentOf(authority: X509Ca, issuedAtSeconds: number): SlotContent<X509Ca> {
  const { authorityId, upstreamAuthorityId, notAfterSeconds } = authority
  return { authority, authorityId, upstreamAuthorityId, issuedAtSeconds, notAfterSeconds }
}

/**
 * The slots that the journal remembers. A root that is not in the bundle any more (revoked, or a restored database) is left
 * out: nobody could verify what it signs. A tainted one is old, whatever the journal says.
 */
async function load(options: X509KindOptions): Promise<SlotPair<X509Ca>> {
  const bundle = options.issuer.isUpstream ? undefined : options.bundle.get()
  const slots: AuthoritySlot<X509Ca>[] = []
  for (const record of options.journal().x509Authorities.toReversed()) {
    const published = bundle?.x509Authorities.find(
      ({ certificate }) => Buffer.compare(certificate, record.certificate) === 0,
    )
    if (bundle && !published) continue
    const slot = await loadSlot(options, record)
    if (published?.tainted) slot?.reset()
    if (slot) slots.push(slot)
  }
  return chooseSlots(slots)
}

async function loadSlot(
  options: X509KindOptions,
  record: X509AuthorityRecord,
): Promise<AuthoritySlot<X509Ca> | undefined> {
  const key = await options.keyManager.findKey(x509KeyId(record.slotId))
  const nowSeconds = options.clock.nowMs() / 1000
  const publicKey = parseCertificate(record.certificate).spki
  const reason: UnusableReason | undefined = unusableReason({ record, publicKey, key, nowSeconds })
  if (reason !== undefined || !key) {
    options.log.warn('X509CA slot unusable', {
      error: reason,
      slot: record.slotId,
      issued_at: new Date(record.issuedAtSeconds * 1000),
      status: statusText(record.status),
      local_authority_id: record.authorityId,
      upstream_authority_id: record.upstreamAuthorityId,
    })
    return undefined
  }
  const slot = new AuthoritySlot<X509Ca>(record.slotId)
  const { certificate, upstreamChain, issuedAtSeconds, status } = record
  slot.fill(contentOf(makeX509Ca({ certificate, upstreamChain, key }), issuedAtSeconds), status)
  return slot
}
