import {
  bindService,
  type HandlersOf,
  notImplemented,
  type ServiceBinding,
} from '@mini-spire/runtime/grpc/service'
import { LocalAuthorityService } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import type { ServerCall } from '../../authorization/caller.ts'
import { callFailure } from '../failure.ts'
import { localAuthorityMessages } from './messages.ts'

/**
 * The service `spire.api.server.localauthority.v1.LocalAuthority`: known and guarded; authorities rotate on schedule only so
 * far, not by hand.
 */
export function localAuthorityService(): ServiceBinding<ServerCall> {
  const handlers: HandlersOf<typeof LocalAuthorityService, ServerCall> = {
    getX509AuthorityState: notImplemented('GetX509AuthorityState'),
    prepareX509Authority: notImplemented('PrepareX509Authority'),
    activateX509Authority: notImplemented('ActivateX509Authority'),
    taintX509Authority: notImplemented('TaintX509Authority'),
    revokeX509Authority: notImplemented('RevokeX509Authority'),
    taintX509UpstreamAuthority: notImplemented('TaintX509UpstreamAuthority'),
    revokeX509UpstreamAuthority: notImplemented('RevokeX509UpstreamAuthority'),
    getJwtAuthorityState: notImplemented('GetJWTAuthorityState'),
    prepareJwtAuthority: notImplemented('PrepareJWTAuthority'),
    activateJwtAuthority: notImplemented('ActivateJWTAuthority'),
    taintJwtAuthority: notImplemented('TaintJWTAuthority'),
    revokeJwtAuthority: notImplemented('RevokeJWTAuthority'),
    getWitAuthorityState: witUnimplemented,
    prepareWitAuthority: witUnimplemented,
    activateWitAuthority: witUnimplemented,
    taintWitAuthority: witUnimplemented,
    revokeWitAuthority: witUnimplemented,
  }
  return bindService(LocalAuthorityService, handlers)
}

function witUnimplemented(call: ServerCall): never {
  throw callFailure(call.log, 'unimplemented', localAuthorityMessages.witUnimplemented)
}
