import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type {
  BatchNewWITSVIDResponse_Result,
  MintWITSVIDRequest,
  MintWITSVIDResponse,
  NewWITSVIDParams,
} from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { actorOf, type ServerCall } from '../../authorization/caller.ts'
import type { Issuer } from '../../issuance/issuer.ts'
import {
  readWitKey,
  type WitConfirmation,
  witConfirmation,
} from '../../issuance/wit-confirmation.ts'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { workloadIdFromProto } from '../convert-spiffe-id.ts'
import { type ItemStatus, itemFailure, labelled, okStatus } from '../failure.ts'
import { logFailure } from '../log-failures.ts'
import { witSvidToProto } from './convert.ts'
import { messages } from './messages.ts'

/** Answers MintWITSVID: the caller, an operator, names whom it is for. */
export async function mintWitSvid(
  { trustDomain, issuer }: { readonly trustDomain: TrustDomain; readonly issuer: Issuer },
  call: ServerCall,
  request: MintWITSVIDRequest,
): Promise<MintWITSVIDResponse> {
  if (issuer.isWitDisabled) throw new ApiError('unimplemented', messages.witDisabled)
  call.audit.addFields({ ttl: request.ttl })
  const spiffeId = labelled(messages.invalidSpiffeId, () =>
    workloadIdFromProto(trustDomain, request.id),
  )
  call.audit.addFields({ spiffe_id: String(spiffeId) })
  const svid = await issuer.issueWitSvid({
    spiffeId,
    confirmation: readKey(messages.invalidPublicKey, request),
    ttlSeconds: request.ttl,
    entryId: '',
    requester: actorOf(call.caller).id,
  })
  return { svid: witSvidToProto(svid) }
}

/** What BatchNewWITSVID is answered from. */
export interface WitBatchOptions {
  readonly issuer: Issuer
  /** The entry, when the calling agent may sign for it. */
  readonly findEntry: (id: string) => RegistrationEntry | undefined
}

/** Signs for each item by itself: one that fails has its own status and spoils no other. */
export async function newWitSvids(
  call: ServerCall,
  params: readonly NewWITSVIDParams[],
  options: WitBatchOptions,
): Promise<BatchNewWITSVIDResponse_Result[]> {
  const results: BatchNewWITSVIDResponse_Result[] = []
  for (const item of params) {
    const result = await newWitSvid(call, item, options)
    results.push(result)
    const { svid, status = okStatus } = result
    call.audit.addItem({
      status,
      fields: {
        entry_id: item.entryId,
        spiffe_id: svid?.id ? `spiffe://${svid.id.trustDomain}${svid.id.path}` : '',
        ...(svid && { expires_at: Number(svid.expiresAt) }),
      },
    })
  }
  return results
}

async function newWitSvid(
  call: ServerCall,
  item: NewWITSVIDParams,
  { issuer, findEntry }: WitBatchOptions,
): Promise<BatchNewWITSVIDResponse_Result> {
  const { log } = call
  if (item.entryId === '')
    return refused(itemFailure(log, 'invalid-argument', messages.missingEntryId))
  if (item.publicKey.length === 0)
    return refused(itemFailure(log, 'invalid-argument', messages.missingPublicKey))
  const entry = findEntry(item.entryId)
  const named = log.with({ entry_id: item.entryId })
  if (!entry) return refused(itemFailure(named, 'not-found', messages.entryNotFound))
  try {
    const svid = await issuer.issueWitSvid({
      spiffeId: entry.spiffeId,
      confirmation: readKey(messages.malformedPublicKey, item),
      // Entries have no lifetime for WIT-SVIDs: the one for X509-SVIDs counts.
      ttlSeconds: entry.x509SvidTtlSeconds,
      entryId: entry.id,
      requester: actorOf(call.caller).id,
    })
    return { status: okStatus, svid: witSvidToProto(svid) }
  } catch (error) {
    if (!isSpiffeError(error)) throw error
    logFailure(named.with({ spiffe_id: String(entry.spiffeId) }), error)
    return refused({ code: grpcStatusFromKind(error.kind), message: error.message })
  }
}

function readKey(
  unreadable: string,
  request: { readonly publicKey: Uint8Array; readonly signingAlgorithm: string },
): WitConfirmation {
  const key = labelled(unreadable, () => readWitKey(request.publicKey))
  return labelled(messages.invalidAlgorithm, () => witConfirmation(key, request.signingAlgorithm))
}

function refused(status: ItemStatus): BatchNewWITSVIDResponse_Result {
  return { status, svid: undefined }
}
