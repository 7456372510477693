import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  JWTBundlesResponse,
  JWTSVIDResponse,
  SpiffeWorkloadAPIService,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { outputFlag, workloadCall, workloadCommand } from '../agent-command.ts'
import { first } from './first.ts'

/** `api fetch jwt` */
export const command: AnyCommand = workloadCommand({
  name: 'fetch jwt',
  flags: {
    audience: { type: 'comma-list', usage: 'comma separated list of audience values' },
    spiffeID: { type: 'string', usage: 'SPIFFE ID subject (optional)' },
    output: outputFlag,
    format: { type: 'output', usage: 'deprecated; use -output' },
  } as const,
  async run({ flags, terminal, client, print }) {
    if (flags.audience.length === 0) throw new CommandError('audience must be specified')
    const connected = client(SpiffeWorkloadAPIService)
    const workload = await explain('failed to receive JWT bundles: ', connected)
    const bundles = await first(workload.fetchJwtBundles({}, workloadCall(flags)))
    const request = { audience: [...flags.audience], spiffeId: flags.spiffeID }
    const reply = await workload.fetchJwtsvid(request, workloadCall(flags))
    const messages = [
      { type: 'JWTSVIDResponse', bytes: JWTSVIDResponse.encode(reply).finish() },
      { type: 'JWTBundlesResponse', bytes: JWTBundlesResponse.encode(bundles).finish() },
    ]
    await print(messages, () => {
      for (const { spiffeId, svid, hint } of reply.svids) {
        terminal.out(`token(${spiffeId}):\n\t${svid}\n`)
        if (hint !== '') terminal.out(`hint(${spiffeId}):\n\t${hint}\n`)
      }
      for (const [id, jwks] of bundles.bundles) {
        terminal.out(`bundle(${id}):\n\t${Buffer.from(jwks).toString('utf8')}\n`)
      }
    })
    return 0
  },
})
