import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  LocalAuthorityService,
  TaintX509UpstreamAuthorityResponse,
} from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { serverCommand } from '../server-command.ts'
import { formatUpstream, requiredSubjectKeyId } from './subject-key-id.ts'

/** `upstreamauthority taint` */
export const command: AnyCommand = serverCommand({
  name: 'upstreamauthority taint',
  flags: {
    subjectKeyID: {
      type: 'string',
      usage:
        "The X.509 Subject Key Identifier (or SKID) of the authority's CA certificate of the upstream X.509 authority to taint",
    },
  },
  async run({ flags, terminal, client, print }) {
    const subjectKeyId = requiredSubjectKeyId(flags.subjectKeyID)
    const ask = async (): Promise<TaintX509UpstreamAuthorityResponse> =>
      (await client(LocalAuthorityService)).taintX509UpstreamAuthority({ subjectKeyId })
    const reply = await explain('could not taint X.509 upstream authority: ', ask())
    const type = 'spire.api.server.localauthority.v1.TaintX509UpstreamAuthorityResponse'
    const bytes = TaintX509UpstreamAuthorityResponse.encode(reply).finish()
    await print({ type, bytes }, () => {
      terminal.out(formatUpstream('Tainted', reply.upstreamAuthoritySubjectKeyId))
    })
    return 0
  },
})
