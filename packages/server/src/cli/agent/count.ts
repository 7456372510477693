import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { plural } from '@mini-spire/runtime/cli/values'
import {
  AgentService,
  CountAgentsResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { serverCommand } from '../server-command.ts'
import { agentFilter, agentFilterFlags } from './filter.ts'

/** `agent count` */
export const command: AnyCommand = serverCommand({
  name: 'agent count',
  flags: agentFilterFlags,
  async run({ flags, terminal, client, print }) {
    const filter = agentFilter(flags)
    const reply = await (await client(AgentService)).countAgents({ filter })
    const bytes = CountAgentsResponse.encode(reply).finish()
    await print({ type: 'spire.api.server.agent.v1.CountAgentsResponse', bytes }, () => {
      terminal.out(`${plural(reply.count, 'attested agent')}\n`)
    })
    return 0
  },
})
