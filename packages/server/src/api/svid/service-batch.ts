import type { LogFields } from '@mini-spire/runtime/log/logger'
import type {
  BatchNewX509SVIDResponse_Result,
  NewX509SVIDParams,
} from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { Status } from '@mini-spire/runtime/proto/spire/api/types/status'
import { SpiffeError } from '@mini-spire/sdk/errors'
import { GrpcStatus, grpcStatusFromKind } from '@mini-spire/sdk/grpc-status'
import type { ServerCall } from '../../authorization/caller.ts'
import type { IssuedX509Svid, X509SvidRequest } from '../../issuance/issued-svid.ts'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import { hashOf } from '../bytes-hash.ts'
import { itemFailure } from '../failure.ts'
import { logFailure } from '../log-failures.ts'
import { x509SvidToProto } from './convert.ts'
import { logSigned } from './log-signed.ts'
import { messages } from './messages.ts'

const okStatus: Status = { code: GrpcStatus.OK, message: 'OK' }

/** What a batch is answered from. */
export interface BatchOptions {
  /** The entry, when the calling agent may sign for it. */
  readonly findEntry: (id: string) => RegistrationEntry | undefined
  /** Issues each by itself: the SVID, or why there is none. */
  readonly issue: (
    requests: readonly X509SvidRequest[],
  ) => Promise<readonly (IssuedX509Svid | SpiffeError)[]>
  /** SPIFFE ID of the calling agent. */
  readonly requester: string
}

/** Signs for each item by itself: one that fails has its own status and spoils no other. */
export async function newX509Svids(
  call: ServerCall,
  params: readonly NewX509SVIDParams[],
  options: BatchOptions,
): Promise<BatchNewX509SVIDResponse_Result[]> {
  const checked = params.map((item) => checkItem(call, item, options))
  const requests = checked.filter((one) => 'entry' in one)
  const issued = (await options.issue(requests)).values()
  const results = checked.map((one) => {
    if (!('entry' in one)) return { status: one, svid: undefined }
    return resultOf(call, one.entry, issued.next().value)
  })
  if (call.audit.isEnabled) {
    for (const [index, item] of params.entries()) auditItem(call, item, results[index])
  }
  return results
}

function checkItem(
  { log }: ServerCall,
  { entryId, csr }: NewX509SVIDParams,
  { findEntry, requester }: BatchOptions,
): X509SvidRequest | Status {
  if (entryId === '') return itemFailure(log, 'invalid-argument', messages.missingEntryId)
  if (csr.length === 0) return itemFailure(log, 'invalid-argument', messages.missingCsr)
  const entry = findEntry(entryId)
  if (!entry)
    return itemFailure(log.with({ entry_id: entryId }), 'not-found', messages.entryNotFound)
  return { entry, csr, requester }
}

function resultOf(
  { log }: ServerCall,
  { id, spiffeId, revisionNumber }: RegistrationEntry,
  outcome: IssuedX509Svid | SpiffeError | undefined,
): BatchNewX509SVIDResponse_Result {
  if (outcome === undefined) throw new Error('fewer documents than requests')
  const named = (): LogFields => ({ entry_id: id, spiffe_id: String(spiffeId) })
  if (!(outcome instanceof SpiffeError)) {
    if (log.isEnabled('debug'))
      logSigned(log, outcome, { ...named(), revision_number: revisionNumber })
    return { status: okStatus, svid: x509SvidToProto(outcome) }
  }
  logFailure(log.with(named()), outcome)
  const status = { code: grpcStatusFromKind(outcome.kind), message: outcome.message }
  return { status, svid: undefined }
}

function auditItem(
  call: ServerCall,
  item: NewX509SVIDParams,
  result: BatchNewX509SVIDResponse_Result | undefined,
): void {
  const svid = result?.svid
  const id = svid?.id
  call.audit.addItem({
    status: result?.status ?? okStatus,
    fields: {
      csr: hashOf(item.csr),
      entry_id: item.entryId,
      spiffe_id: id ? `spiffe://${id.trustDomain}${id.path}` : '',
      ...(svid && { expires_at: Number(svid.expiresAt) }),
    },
  })
}
