import { clientCommand } from '@mini-spire/runtime/cli/client-command'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import {
  HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@mini-spire/runtime/proto/grpc/health/v1/health'
import { messageOf } from '@mini-spire/sdk/errors'
import { publicSocket, publicSocketFlags } from './agent-command.ts'

/** `healthcheck` */
export const command: AnyCommand = clientCommand({
  name: 'health',
  afterHelp: '',
  errorPrefix: 'Agent is unhealthy: ',
  socket: publicSocket,
  pathStyle: 'plain',
  flags: {
    shallow: { type: 'bool', usage: 'Perform a less stringent health check' },
    verbose: { type: 'bool', usage: 'Print verbose information' },
    ...publicSocketFlags,
    socketPath: { ...publicSocketFlags.socketPath, usage: 'Path to the SPIRE Agent API socket' },
  },
  async run({ flags, terminal, client }) {
    if (flags.verbose) terminal.out('Checking agent health...\n')
    let status: number
    try {
      status = (await (await client(HealthService)).check({ service: '' })).status
    } catch (error) {
      if (flags.verbose) terminal.err(`Failed to check health: ${messageOf(error)}\n`)
      throw new CommandError('unable to determine health')
    }
    if (status !== ServingStatus.SERVING) {
      const name = Object.entries(ServingStatus).find(([, value]) => value === status)?.[0]
      throw new CommandError(`agent returned status "${name ?? status}"`)
    }
    terminal.out('Agent is healthy.\n')
    return 0
  },
})
