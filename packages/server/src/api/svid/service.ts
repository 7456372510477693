import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { LogFields } from '@mini-spire/runtime/log/logger'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { parseCsr } from '@mini-spire/runtime/x509/csr'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { actorOf, type ServerCall } from '../../authorization/caller.ts'
import { instantText } from '../../ca/validity.ts'
import type { Issuer } from '../../issuance/issuer.ts'
import type { RegistrationEntry } from '../../model/registration-entry.ts'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { hashOf } from '../bytes-hash.ts'
import { workloadIdFromProto } from '../convert-spiffe-id.ts'
import { nameText } from '../debug/subject-text.ts'
import { labelled } from '../failure.ts'
import { logFailures } from '../log-failures.ts'
import { passRateLimit, type RateLimit } from '../rate-limits.ts'
import { jwtSvidToProto, x509SvidToProto } from './convert.ts'
import { logSigned, logSignedCa, logSignedJwt } from './log-signed.ts'
import { messages } from './messages.ts'
import { newX509Svids } from './service-batch.ts'
import { mintWitSvid, newWitSvids } from './service-wit.ts'

/** Options of {@link svidService}. */
export interface SvidServiceOptions {
  readonly trustDomain: TrustDomain
  readonly issuer: Issuer
  /** What an agent may sign for. */
  readonly authorizedEntries: (agentId: string) => {
    find(entryId: string): RegistrationEntry | undefined
  }
  /** The bundle of the own trust domain. */
  readonly bundle: () => TrustBundle | undefined
  readonly areJwtSvidsDisabled: boolean
  readonly limit: RateLimit
}

/** The SVID service. */
export function svidService(options: SvidServiceOptions): ServiceBinding<ServerCall> {
  const handlers: Handlers = { ...mintHandlers(options), ...agentHandlers(options) }
  return bindService(SVIDService, logFailures(handlers))
}

type Handlers = HandlersOf<typeof SVIDService, ServerCall>
type MintMethod = 'mintX509Svid' | 'mintJwtsvid' | 'mintWitsvid'

function mintHandlers(options: SvidServiceOptions): Pick<Handlers, MintMethod> {
  return {
    mintX509Svid: async (call, request) => {
      call.audit.addFields({ csr: hashOf(request.csr), ttl: request.ttl })
      if (request.csr.length === 0) throw new ApiError('invalid-argument', messages.missingCsr)
      const svid = await options.issuer.mintX509Svid({
        csr: request.csr,
        ttlSeconds: request.ttl,
        requester: actorOf(call.caller).id,
      })
      const names = { spiffe_id: String(svid.spiffeId), ...askedNames(request.csr) }
      call.audit.addFields({ ...names, expires_at: instantText(svid.expiresAtSeconds) })
      call.addLogFields(names)
      logSigned(call.log, svid)
      return { svid: x509SvidToProto(svid) }
    },
    mintJwtsvid: async (call, request) => {
      if (options.areJwtSvidsDisabled) throw jwtDisabled()
      const spiffeId = labelled(messages.invalidSpiffeId, () =>
        workloadIdFromProto(options.trustDomain, request.id),
      )
      call.audit.addFields({
        spiffe_id: String(spiffeId),
        audience: request.audience.join(','),
        ttl: request.ttl,
      })
      call.addLogFields({ spiffe_id: String(spiffeId) })
      const svid = await options.issuer.mintJwtSvid({
        spiffeId,
        audience: request.audience,
        ttlSeconds: request.ttl,
        requester: actorOf(call.caller).id,
      })
      logSignedJwt(call.log, request.audience, svid)
      return { svid: jwtSvidToProto(svid) }
    },
    mintWitsvid: (call, request) => mintWitSvid(options, call, request),
  }
}

function agentHandlers(options: SvidServiceOptions): Omit<Handlers, MintMethod> {
  return {
    batchNewX509Svid: async (call, request) => {
      if (request.params.length === 0) throw missingParameters()
      await passRateLimit(options.limit, call, request.params.length, messages.x509RateLimit)
      const requester = actorOf(call.caller).id
      const authorized = options.authorizedEntries(requester)
      const results = await newX509Svids(call, request.params, {
        findEntry: (id) => authorized.find(id),
        issue: (requests) => options.issuer.issueX509Svids(requests),
        requester,
      })
      return { results }
    },
    newJwtsvid: async (call, request) => {
      const audience = request.audience
      call.audit.addFields({ entry_id: request.entryId, audience: audience.join(',') })
      await passRateLimit(options.limit, call, 1, messages.jwtRateLimit)
      if (options.areJwtSvidsDisabled) throw jwtDisabled()
      const requester = actorOf(call.caller).id
      const entry = options.authorizedEntries(requester).find(request.entryId)
      if (!entry) throw new ApiError('not-found', messages.entryNotFound)
      call.audit.addFields({ spiffe_id: String(entry.spiffeId), ttl: entry.jwtSvidTtlSeconds })
      call.addLogFields({ spiffe_id: String(entry.spiffeId) })
      const svid = await options.issuer.issueJwtSvid({ entry, audience, requester })
      logSignedJwt(call.log, audience, svid)
      return { svid: jwtSvidToProto(svid) }
    },
    batchNewWitsvid: async (call, request) => {
      if (request.params.length === 0) throw missingParameters()
      await passRateLimit(options.limit, call, request.params.length, messages.x509RateLimit)
      const authorized = options.authorizedEntries(actorOf(call.caller).id)
      const { issuer } = options
      const findEntry = authorized.find.bind(authorized)
      return { results: await newWitSvids(call, request.params, { issuer, findEntry }) }
    },
    newDownstreamX509Ca: async (call, request) => {
      const trust_domain_id = options.trustDomain.idString
      call.audit.addFields({ csr: hashOf(request.csr), trust_domain_id })
      await passRateLimit(options.limit, call, 1, messages.downstreamRateLimit)
      if (call.caller.class !== 'downstream') {
        throw new ApiError('internal', messages.notDownstream)
      }
      const ca = await options.issuer.issueDownstreamCa({
        csr: request.csr,
        ttlSeconds: request.preferredTtl,
        requester: String(call.caller.spiffeId),
      })
      logSignedCa(call.log, options.trustDomain.idString, ca)
      const bundle = options.bundle()
      if (!bundle) throw new ApiError('not-found', messages.bundleNotFound)
      call.audit.addFields({ expires_at: ca.expiresAtSeconds })
      return {
        caCertChain: [...ca.chain],
        x509Authorities: bundle.x509Authorities.map(({ certificate }) => certificate),
      }
    },
  }
}

function missingParameters(): ApiError {
  return new ApiError('invalid-argument', messages.missingParameters)
}

function jwtDisabled(): ApiError {
  return new ApiError('unimplemented', messages.jwtDisabled)
}

/** The names that a signing request asks for, as log and audit print them. */
function askedNames(csr: Uint8Array): LogFields {
  const parsed = parseCsr(csr)
  const { dnsNames } = parsed.parseSubjectAltName()
  return { dns_name: dnsNames.join(','), subject: nameText(parsed.parseSubject().name) }
}
