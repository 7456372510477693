import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  ActivateX509AuthorityResponse,
  GetX509AuthorityStateResponse,
  LocalAuthorityService,
  PrepareX509AuthorityResponse,
  RevokeX509AuthorityResponse,
  TaintX509AuthorityResponse,
} from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { serverCommand } from '../server-command.ts'
import {
  authorityIdFlag,
  formatStates,
  printAuthority,
  requiredAuthorityId,
  wirePackage,
} from './authority-command.ts'

/** `localauthority x509 show` */
export const show: AnyCommand = serverCommand({
  name: 'localauthority x509 show',
  flags: {},
  async run({ terminal, client, print }) {
    const ask = async (): Promise<GetX509AuthorityStateResponse> =>
      (await client(LocalAuthorityService)).getX509AuthorityState({})
    const reply = await explain('could not get X.509 authorities: ', ask())
    const type = `${wirePackage}.GetX509AuthorityStateResponse`
    const bytes = GetX509AuthorityStateResponse.encode(reply).finish()
    await print({ type, bytes }, () => {
      terminal.out(formatStates(reply, 'X.509'))
    })
    return 0
  },
})

/** `localauthority x509 prepare` */
export const prepare: AnyCommand = serverCommand({
  name: 'localauthority x509 prepare',
  flags: {},
  async run(context) {
    const ask = async (): Promise<PrepareX509AuthorityResponse> =>
      (await context.client(LocalAuthorityService)).prepareX509Authority({})
    const reply = await explain('could not prepare X.509 authority: ', ask())
    const type = `${wirePackage}.PrepareX509AuthorityResponse`
    const bytes = PrepareX509AuthorityResponse.encode(reply).finish()
    const state = reply.preparedAuthority
    await printAuthority(context, 'Prepared', 'X.509', { type, bytes, state })
    return 0
  },
})

/** `localauthority x509 activate` */
export const activate: AnyCommand = serverCommand({
  name: 'localauthority x509 activate',
  flags: authorityIdFlag('activate', 'X.509'),
  async run(context) {
    const authorityId = requiredAuthorityId(context.flags.authorityID)
    const ask = async (): Promise<ActivateX509AuthorityResponse> =>
      (await context.client(LocalAuthorityService)).activateX509Authority({ authorityId })
    const reply = await explain('could not activate X.509 authority: ', ask())
    const type = `${wirePackage}.ActivateX509AuthorityResponse`
    const bytes = ActivateX509AuthorityResponse.encode(reply).finish()
    const state = reply.activatedAuthority
    await printAuthority(context, 'Activated', 'X.509', { type, bytes, state })
    return 0
  },
})

/** `localauthority x509 taint` */
export const taint: AnyCommand = serverCommand({
  name: 'localauthority x509 taint',
  flags: authorityIdFlag('taint', 'X.509'),
  async run(context) {
    const authorityId = requiredAuthorityId(context.flags.authorityID)
    const ask = async (): Promise<TaintX509AuthorityResponse> =>
      (await context.client(LocalAuthorityService)).taintX509Authority({ authorityId })
    const reply = await explain('could not taint X.509 authority: ', ask())
    const type = `${wirePackage}.TaintX509AuthorityResponse`
    const bytes = TaintX509AuthorityResponse.encode(reply).finish()
    const state = reply.taintedAuthority
    await printAuthority(context, 'Tainted', 'X.509', { type, bytes, state })
    return 0
  },
})

/** `localauthority x509 revoke` */
export const revoke: AnyCommand = serverCommand({
  name: 'localauthority x509 revoke',
  flags: authorityIdFlag('revoke', 'X.509'),
  async run(context) {
    const authorityId = requiredAuthorityId(context.flags.authorityID)
    const ask = async (): Promise<RevokeX509AuthorityResponse> =>
      (await context.client(LocalAuthorityService)).revokeX509Authority({ authorityId })
    const reply = await explain('could not revoke X.509 authority: ', ask())
    const type = `${wirePackage}.RevokeX509AuthorityResponse`
    const bytes = RevokeX509AuthorityResponse.encode(reply).finish()
    const state = reply.revokedAuthority
    await printAuthority(context, 'Revoked', 'X.509', { type, bytes, state })
    return 0
  },
})
