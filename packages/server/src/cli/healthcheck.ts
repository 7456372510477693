import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import {
  HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@mini-spire/runtime/proto/grpc/health/v1/health'
import { messageOf } from '@mini-spire/sdk/errors'
import { serverCommand } from './server-command.ts'

/** `healthcheck` */
export const command: AnyCommand = serverCommand({
  name: 'healthcheck',
  hasOutput: false,
  flags: {
    shallow: { type: 'bool', usage: 'Perform a less stringent health check' },
    verbose: { type: 'bool', usage: 'Print verbose information' },
  },
  async run({ flags, terminal, client }) {
    if (flags.verbose) terminal.out('Checking server health...\n')
    let status: number
    try {
      status = (await (await client(HealthService)).check({ service: '' })).status
    } catch (error) {
      if (flags.verbose) terminal.err(`Failed to check health: ${messageOf(error)}\n`)
      throw new CommandError('server is unhealthy: unable to determine health')
    }
    if (status !== ServingStatus.SERVING) {
      const name = Object.entries(ServingStatus).find(([, value]) => value === status)?.[0]
      throw new CommandError(`server is unhealthy: server returned status "${name ?? status}"`)
    }
    terminal.out('Server is healthy.\n')
    return 0
  },
})
