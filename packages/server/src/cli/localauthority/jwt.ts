import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  ActivateJWTAuthorityResponse,
  GetJWTAuthorityStateResponse,
  LocalAuthorityService,
  PrepareJWTAuthorityResponse,
  RevokeJWTAuthorityResponse,
  TaintJWTAuthorityResponse,
} from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { serverCommand } from '../server-command.ts'
import {
  authorityIdFlag,
  formatStates,
  printAuthority,
  requiredAuthorityId,
  wirePackage,
} from './authority-command.ts'

/** `localauthority jwt show` */
export const show: AnyCommand = serverCommand({
  name: 'localauthority jwt show',
  flags: {},
  async run({ terminal, client, print }) {
    const ask = async (): Promise<GetJWTAuthorityStateResponse> =>
      (await client(LocalAuthorityService)).getJwtAuthorityState({})
    const reply = await ask()
    const type = `${wirePackage}.GetJWTAuthorityStateResponse`
    const bytes = GetJWTAuthorityStateResponse.encode(reply).finish()
    await print({ type, bytes }, () => {
      terminal.out(formatStates(reply, 'JWT'))
    })
    return 0
  },
})

/** `localauthority jwt prepare` */
export const prepare: AnyCommand = serverCommand({
  name: 'localauthority jwt prepare',
  flags: {},
  async run(context) {
    const ask = async (): Promise<PrepareJWTAuthorityResponse> =>
      (await context.client(LocalAuthorityService)).prepareJwtAuthority({})
    const reply = await explain('could not prepare JWT authority: ', ask())
    const type = `${wirePackage}.PrepareJWTAuthorityResponse`
    const bytes = PrepareJWTAuthorityResponse.encode(reply).finish()
    const state = reply.preparedAuthority
    await printAuthority(context, 'Prepared', 'JWT', { type, bytes, state })
    return 0
  },
})

/** `localauthority jwt activate` */
export const activate: AnyCommand = serverCommand({
  name: 'localauthority jwt activate',
  flags: authorityIdFlag('activate', 'JWT'),
  async run(context) {
    const authorityId = requiredAuthorityId(context.flags.authorityID)
    const ask = async (): Promise<ActivateJWTAuthorityResponse> =>
      (await context.client(LocalAuthorityService)).activateJwtAuthority({ authorityId })
    const reply = await explain('could not activate JWT authority: ', ask())
    const type = `${wirePackage}.ActivateJWTAuthorityResponse`
    const bytes = ActivateJWTAuthorityResponse.encode(reply).finish()
    const state = reply.activatedAuthority
    await printAuthority(context, 'Activated', 'JWT', { type, bytes, state })
    return 0
  },
})

/** `localauthority jwt taint` */
export const taint: AnyCommand = serverCommand({
  name: 'localauthority jwt taint',
  flags: authorityIdFlag('taint', 'JWT'),
  async run(context) {
    const authorityId = requiredAuthorityId(context.flags.authorityID)
    const ask = async (): Promise<TaintJWTAuthorityResponse> =>
      (await context.client(LocalAuthorityService)).taintJwtAuthority({ authorityId })
    const reply = await explain('could not taint JWT authority: ', ask())
    const type = `${wirePackage}.TaintJWTAuthorityResponse`
    const bytes = TaintJWTAuthorityResponse.encode(reply).finish()
    const state = reply.taintedAuthority
    await printAuthority(context, 'Tainted', 'JWT', { type, bytes, state })
    return 0
  },
})

/** `localauthority jwt revoke` */
export const revoke: AnyCommand = serverCommand({
  name: 'localauthority jwt revoke',
  flags: authorityIdFlag('revoke', 'JWT'),
  async run(context) {
    const authorityId = requiredAuthorityId(context.flags.authorityID)
    const ask = async (): Promise<RevokeJWTAuthorityResponse> =>
      (await context.client(LocalAuthorityService)).revokeJwtAuthority({ authorityId })
    const reply = await explain('could not revoke JWT authority: ', ask())
    const type = `${wirePackage}.RevokeJWTAuthorityResponse`
    const bytes = RevokeJWTAuthorityResponse.encode(reply).finish()
    const state = reply.revokedAuthority
    await printAuthority(context, 'Revoked', 'JWT', { type, bytes, state })
    return 0
  },
})
