import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  LocalAuthorityService,
  RevokeX509UpstreamAuthorityResponse,
} from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { serverCommand } from '../server-command.ts'
import { formatUpstream, requiredSubjectKeyId } from './subject-key-id.ts'

/** `upstreamauthority revoke` */
export const command: AnyCommand = serverCommand({
  name: 'upstreamauthority revoke',
  flags: {
    subjectKeyID: {
      type: 'string',
      usage:
        "The X.509 Subject Key Identifier (or SKID) of the authority's CA certificate of the X.509 upstream authority to revoke",
    },
  },
  async run({ flags, terminal, client, print }) {
    const subjectKeyId = requiredSubjectKeyId(flags.subjectKeyID)
    const ask = async (): Promise<RevokeX509UpstreamAuthorityResponse> =>
      (await client(LocalAuthorityService)).revokeX509UpstreamAuthority({ subjectKeyId })
    const reply = await explain('could not revoke X.509 upstream authority: ', ask())
    const type = 'spire.api.server.localauthority.v1.RevokeX509UpstreamAuthorityResponse'
    const bytes = RevokeX509UpstreamAuthorityResponse.encode(reply).finish()
    await print({ type, bytes }, () => {
      terminal.out(formatUpstream('Revoked', reply.upstreamAuthoritySubjectKeyId))
    })
    return 0
  },
})
