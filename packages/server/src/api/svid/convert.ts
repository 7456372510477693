import type { JWTSVID } from '@mini-spire/runtime/proto/spire/api/types/jwtsvid'
import type { WITSVID } from '@mini-spire/runtime/proto/spire/api/types/witsvid'
import type { X509SVID } from '@mini-spire/runtime/proto/spire/api/types/x509svid'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { IssuedJwtSvid } from '../../issuance/issued-svid.ts'
import { spiffeIdToProto } from '../convert-spiffe-id.ts'

/** An X509-SVID as the wire has it; hints are the agent's business. */
export function x509SvidToProto(svid: {
  readonly chain: readonly Uint8Array[]
  readonly spiffeId: SpiffeId
  readonly expiresAtSeconds: number
}): X509SVID {
  return {
    certChain: [...svid.chain],
    id: spiffeIdToProto(svid.spiffeId),
    expiresAt: BigInt(svid.expiresAtSeconds),
    hint: '',
  }
}

/** A WIT-SVID as the wire has it. */
export function witSvidToProto(svid: IssuedJwtSvid): WITSVID {
  return jwtSvidToProto(svid)
}

/** A JWT-SVID as the wire has it. */
export function jwtSvidToProto(svid: IssuedJwtSvid): JWTSVID {
  return {
    token: svid.token,
    id: spiffeIdToProto(svid.spiffeId),
    expiresAt: BigInt(svid.expiresAtSeconds),
    issuedAt: BigInt(svid.issuedAtSeconds),
    hint: '',
  }
}
