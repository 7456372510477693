import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { allPages, plural } from '@mini-spire/runtime/cli/values'
import {
  AgentService,
  ListAgentsResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { serverCommand } from '../server-command.ts'
import { agentFilter, agentFilterFlags } from './filter.ts'
import { formatAgent } from './print-agents.ts'

/** A page that stays under the size of a message. */
const pageSize = 1000

/** `agent list` */
export const command: AnyCommand = serverCommand({
  name: 'agent list',
  flags: agentFilterFlags,
  async run({ flags, terminal, client, print }) {
    const filter = agentFilter(flags)
    const service = await client(AgentService)
    const agents = await allPages(async (pageToken) => {
      const page = await service.listAgents({ filter, outputMask: undefined, pageSize, pageToken })
      return { items: page.agents, nextPageToken: page.nextPageToken }
    })
    const bytes = ListAgentsResponse.encode({ agents, nextPageToken: '' }).finish()
    await print({ type: 'spire.api.server.agent.v1.ListAgentsResponse', bytes }, () => {
      if (agents.length === 0) return terminal.out('No attested agents found\n')
      terminal.out(`Found ${plural(agents.length, 'attested agent')}:\n\n`)
      for (const agent of agents) terminal.out(formatAgent(agent))
    })
    return 0
  },
})
