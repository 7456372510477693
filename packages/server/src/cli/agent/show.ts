import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { Agent } from '@mini-spire/runtime/proto/spire/api/types/agent'
import { serverCommand } from '../server-command.ts'
import { formatAgent } from './print-agents.ts'
import { requiredId } from './required-id.ts'

/** `agent show` */
export const command: AnyCommand = serverCommand({
  name: 'agent show',
  flags: {
    spiffeID: { type: 'string', usage: 'The SPIFFE ID of the agent to show (agent identity)' },
  },
  async run({ flags, terminal, client, print }) {
    const id = requiredId(flags.spiffeID)
    const agent = await (await client(AgentService)).getAgent({ id, outputMask: undefined })
    const bytes = Agent.encode(agent).finish()
    await print({ type: 'spire.api.types.Agent', bytes }, () => {
      terminal.out(`Found an attested agent given its SPIFFE ID\n\n${formatAgent(agent)}`)
      for (const { type, value } of agent.selectors) {
        terminal.out(`Selectors         : ${type}:${value}\n`)
      }
    })
    return 0
  },
})
