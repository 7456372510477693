import { createHash } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindService, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  DebugService,
  type GetInfoResponse,
  type GetInfoResponse_Cert,
} from '@mini-spire/runtime/proto/spire/api/agent/debug/v1/debug'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import type { JwtSvids } from '../../cache/jwt-svids.ts'
import type { WorkloadCache } from '../../cache/workload-cache.ts'
import type { AgentIdentity } from '../../node-attestation/agent-identity.ts'
import { subjectText } from './subject-text.ts'

/** How long an answer is given again. */
const cacheMs = 5_000

/** Options of {@link DebugApi}. */
export interface DebugApiOptions {
  readonly identity: AgentIdentity
  readonly cache: WorkloadCache
  readonly jwtSvids: JwtSvids
  readonly lastSync: () => Date | undefined
  readonly clock: Clock
}

/** The Debug service of the admin socket: the agent's own chain, and how much it holds. */
export class DebugApi {
  readonly #options: DebugApiOptions
  readonly #startedMs: number
  #answer:
    | { readonly madeMs: number; readonly svid: string; readonly info: GetInfoResponse }
    | undefined

  constructor(options: DebugApiOptions) {
    this.#options = options
    this.#startedMs = options.clock.nowMs()
  }

  /** The service, for a host. */
  bind(): ServiceBinding<CallContext> {
    return bindService(DebugService, { getInfo: () => this.#info() })
  }

  #info(): GetInfoResponse {
    const { clock, identity, cache, jwtSvids, lastSync } = this.#options
    const nowMs = clock.nowMs()
    const svid = fingerprint(identity.current?.certificates[0])
    const known = this.#answer
    if (known && known.svid === svid && nowMs - known.madeMs < cacheMs) return known.info
    const info: GetInfoResponse = {
      svidChain: this.#chain(),
      uptime: Math.floor((nowMs - this.#startedMs) / 1000),
      svidsCount: cache.x509SvidCount,
      lastSyncSuccess: BigInt(Math.floor((lastSync()?.getTime() ?? 0) / 1000)),
      cachedX509SvidsCount: cache.x509SvidCount,
      cachedJwtSvidsCount: jwtSvids.size,
      cachedSvidstoreX509SvidsCount: cache.storedX509SvidCount,
    }
    this.#answer = { madeMs: nowMs, svid, info }
    return info
  }

  /** The verified path, root included. */
  #chain(): GetInfoResponse_Cert[] {
    const { identity, cache, clock } = this.#options
    const roots = cache.bundles.own.x509Authorities.map((one) => parseCertificate(one.certificate))
    try {
      const chain = identity.current?.certificates ?? []
      return verifyChain({ chain, roots, now: clock.now() }).map(certificateToProto)
    } catch (error) {
      throw new ApiError('internal', `failed to verify agent SVID: ${messageOf(error)}`)
    }
  }
}

function certificateToProto(certificate: Certificate): GetInfoResponse_Cert {
  const [uri] = certificate.uriSans
  const id = uri === undefined ? undefined : SpiffeId.parse(uri)
  return {
    id: id && { trustDomain: id.trustDomain.name, path: id.path },
    expiresAt: BigInt(Math.floor(certificate.notAfter.getTime() / 1000)),
    subject: subjectText(certificate.raw),
  }
}

function fingerprint(certificate: Certificate | undefined): string {
  return certificate ? createHash('sha256').update(certificate.raw).digest('hex') : ''
}
