import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import { LocalAuthorityService } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { causeOf, type ServerCall } from '../../authorization/caller.ts'
import type { LocalAuthorities } from '../../ca/local-authorities.ts'
import type { Cause } from '../../store/store.ts'
import { callFailure } from '../failure.ts'
import { authorityIdToProto, authorityStatesToProto, authorityStateToProto } from './convert.ts'
import { localAuthorityLogLines as lines, localAuthorityMessages as messages } from './messages.ts'
import { attempt } from './refusals.ts'

/** What the LocalAuthority service works on. */
export interface LocalAuthorityServiceOptions {
  readonly authorities: LocalAuthorities
}

type Handlers = HandlersOf<typeof LocalAuthorityService, ServerCall>

/** The service `spire.api.server.localauthority.v1.LocalAuthority`. */
export function localAuthorityService({
  authorities,
}: LocalAuthorityServiceOptions): ServiceBinding<ServerCall> {
  return bindService(LocalAuthorityService, {
    ...x509Handlers(authorities),
    ...upstreamHandlers(authorities),
    ...jwtHandlers(authorities),
    getWitAuthorityState: witUnimplemented,
    prepareWitAuthority: witUnimplemented,
    activateWitAuthority: witUnimplemented,
    taintWitAuthority: witUnimplemented,
    revokeWitAuthority: witUnimplemented,
  })
}

function x509Handlers(
  authorities: LocalAuthorities,
): Pick<
  Handlers,
  | 'getX509AuthorityState'
  | 'prepareX509Authority'
  | 'activateX509Authority'
  | 'taintX509Authority'
  | 'revokeX509Authority'
> {
  return {
    getX509AuthorityState: async (call) => {
      const states = await attempt(call, {}, () => authorities.x509States())
      return authorityStatesToProto(states)
    },
    prepareX509Authority: async (call) => {
      const texts = { failed: messages.prepareX509Failed }
      const prepared = await attempt(call, texts, () => authorities.prepareX509())
      return { preparedAuthority: authorityStateToProto(prepared) }
    },
    activateX509Authority: async (call, { authorityId }) => {
      const { named } = told(call, authorityId)
      const texts = { failed: messages.activateX509Failed }
      const activated = await attempt(named, texts, () => authorities.activateX509(authorityId))
      return { activatedAuthority: authorityStateToProto(activated) }
    },
    taintX509Authority: async (call, { authorityId }) => {
      const { named, cause } = told(call, authorityId)
      const texts = { failed: messages.taintX509Failed }
      const tainted = await attempt(named, texts, () => authorities.taintX509(authorityId, cause))
      named.log.info(lines.x509Tainted)
      return { taintedAuthority: authorityStateToProto(tainted) }
    },
    revokeX509Authority: async (call, { authorityId }) => {
      const { named, cause } = told(call, authorityId)
      const texts = { failed: messages.revokeX509Failed, invalid: messages.invalidAuthorityId }
      await attempt(named, texts, () => authorities.revokeX509(authorityId, cause))
      named.log.info(lines.x509Revoked)
      return { revokedAuthority: authorityIdToProto(authorityId) }
    },
  }
}

function upstreamHandlers(
  authorities: LocalAuthorities,
): Pick<Handlers, 'taintX509UpstreamAuthority' | 'revokeX509UpstreamAuthority'> {
  return {
    taintX509UpstreamAuthority: async (call, request) => {
      const { named, cause } = told(call, request.subjectKeyId, 'subject_key_id')
      const keyId = request.subjectKeyId.toLowerCase()
      const texts = { failed: messages.taintUpstreamFailed, invalid: messages.upstreamTaintInvalid }
      await attempt(named, texts, () => authorities.taintUpstream(keyId, cause))
      named.log.info(lines.upstreamTainted)
      return { upstreamAuthoritySubjectKeyId: keyId }
    },
    revokeX509UpstreamAuthority: async (call, request) => {
      const { named, cause } = told(call, request.subjectKeyId, 'subject_key_id')
      const keyId = request.subjectKeyId.toLowerCase()
      const texts = {
        failed: messages.revokeUpstreamFailed,
        invalid: messages.upstreamRevokeInvalid,
      }
      await attempt(named, texts, () => authorities.revokeUpstream(keyId, cause))
      named.log.info(lines.upstreamRevoked)
      return { upstreamAuthoritySubjectKeyId: keyId }
    },
  }
}

function jwtHandlers(
  authorities: LocalAuthorities,
): Pick<
  Handlers,
  | 'getJwtAuthorityState'
  | 'prepareJwtAuthority'
  | 'activateJwtAuthority'
  | 'taintJwtAuthority'
  | 'revokeJwtAuthority'
> {
  return {
    getJwtAuthorityState: async (call) => {
      const states = await attempt(call, {}, () => authorities.jwtStates())
      return authorityStatesToProto(states)
    },
    prepareJwtAuthority: async (call) => {
      const texts = { failed: messages.prepareJwtFailed }
      const prepared = await attempt(call, texts, () => authorities.prepareJwt())
      return { preparedAuthority: authorityStateToProto(prepared) }
    },
    activateJwtAuthority: async (call, { authorityId }) => {
      const { named } = told(call, authorityId)
      const texts = { failed: messages.activateJwtFailed }
      const activated = await attempt(named, texts, () => authorities.activateJwt(authorityId))
      return { activatedAuthority: authorityStateToProto(activated) }
    },
    taintJwtAuthority: async (call, { authorityId }) => {
      const { named, cause } = told(call, authorityId)
      const texts = { failed: messages.taintJwtFailed }
      await attempt(named, texts, () => authorities.taintJwt(authorityId, cause))
      named.log.info(lines.jwtTainted)
      return { taintedAuthority: authorityIdToProto(authorityId) }
    },
    revokeJwtAuthority: async (call, { authorityId }) => {
      const { named, cause } = told(call, authorityId)
      const texts = { failed: messages.revokeJwtFailed, invalid: messages.invalidAuthorityId }
      await attempt(named, texts, () => authorities.revokeJwt(authorityId, cause))
      named.log.info(lines.jwtRevoked)
      return { revokedAuthority: authorityIdToProto(authorityId) }
    },
  }
}

/** Tells the log and the audit which authority a call is about, and the change log who asked. */
function told(
  call: ServerCall,
  id: string,
  field: 'local_authority_id' | 'subject_key_id' = 'local_authority_id',
): { readonly named: Pick<ServerCall, 'log'>; readonly cause: Cause } {
  const fields = id === '' ? {} : { [field]: id }
  call.audit.addFields(fields)
  return { named: { log: call.log.with(fields) }, cause: causeOf(call, 'authority change') }
}

function witUnimplemented(call: ServerCall): never {
  throw callFailure(call.log, 'unimplemented', messages.witUnimplemented)
}
