import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { GrpcError } from '@mini-spire/runtime/grpc/grpc-error'
import { messageOf } from '@mini-spire/sdk/errors'
import {
  SpiffeWorkloadAPIService,
  ValidateJWTSVIDResponse,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { outputFlag, workloadCall, workloadCommand } from '../agent-command.ts'

/** `api validate jwt` */
export const command: AnyCommand = workloadCommand({
  name: 'validate jwt',
  flags: {
    audience: { type: 'string', usage: 'expected audience value' },
    svid: { type: 'string', usage: 'JWT SVID' },
    output: outputFlag,
  } as const,
  async run({ flags, terminal, client, print }) {
    if (flags.audience === '') throw new CommandError('audience must be specified')
    if (flags.svid === '') throw new CommandError('svid must be specified')
    const ask = async (): Promise<ValidateJWTSVIDResponse> => {
      const workload = await client(SpiffeWorkloadAPIService)
      const request = { audience: flags.audience, svid: flags.svid }
      return workload.validateJwtsvid(request, workloadCall(flags))
    }
    const reply = await ask().catch(refuse)
    const bytes = ValidateJWTSVIDResponse.encode(reply).finish()
    await print({ type: 'ValidateJWTSVIDResponse', bytes }, () => {
      terminal.out(
        `SVID is valid.\nSPIFFE ID : ${reply.spiffeId}\nClaims    : ${JSON.stringify(reply.claims ?? {})}\n`,
      )
    })
    return 0
  },
})

/** The number of InvalidArgument, which alone means that the token is at fault. */
const invalidArgument = 3

function refuse(error: unknown): never {
  if (error instanceof GrpcError && error.statusCode === invalidArgument) {
    throw new CommandError(`SVID is not valid: ${error.statusMessage}`)
  }
  throw new CommandError(`unable to validate JWT SVID: ${messageOf(error)}`)
}
