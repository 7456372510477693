import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { checkAgentId, checkMemberId, checkWorkloadId } from '../registration/check-id.ts'

/**
 * Reads a SPIFFE ID. Its trust domain may be given as a whole ID, of which only the name is taken.
 *
 * @throws {ApiError} when it is absent
 * @throws {SpiffeIdError} naming the rule it breaks
 */
export function spiffeIdFromProto(id: SPIFFEID | undefined): SpiffeId {
  if (id === undefined) throw new ApiError('invalid-argument', 'request must specify SPIFFE ID')
  return SpiffeId.fromPath(TrustDomain.parse(id.trustDomain), id.path)
}

/** Writes a SPIFFE ID. */
export function spiffeIdToProto(id: SpiffeId): SPIFFEID {
  return { trustDomain: id.trustDomain.name, path: id.path }
}

/** Reads the ID of any member of the trust domain, the server and agents included. */
export function memberIdFromProto(trustDomain: TrustDomain, id: SPIFFEID | undefined): SpiffeId {
  const read = spiffeIdFromProto(id)
  checkMemberId(trustDomain, read)
  return read
}

/** Reads the ID of an agent of the trust domain. */
export function agentIdFromProto(trustDomain: TrustDomain, id: SPIFFEID | undefined): SpiffeId {
  const read = spiffeIdFromProto(id)
  checkAgentId(trustDomain, read)
  return read
}

/** Reads the ID of a workload of the trust domain: none of the reserved ones. */
export function workloadIdFromProto(trustDomain: TrustDomain, id: SPIFFEID | undefined): SpiffeId {
  const read = spiffeIdFromProto(id)
  checkWorkloadId(trustDomain, read)
  return read
}
