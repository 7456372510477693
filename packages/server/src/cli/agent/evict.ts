import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { serverCommand } from '../server-command.ts'
import { requiredId } from './required-id.ts'

/** `agent evict` */
export const command: AnyCommand = serverCommand({
  name: 'agent evict',
  flags: {
    spiffeID: { type: 'string', usage: 'The SPIFFE ID of the agent to evict (agent identity)' },
  },
  async run({ flags, terminal, client, print }) {
    const id = requiredId(flags.spiffeID)
    await (await client(AgentService)).deleteAgent({ id })
    await print({ type: 'google.protobuf.Empty', bytes: new Uint8Array() }, () => {
      terminal.out('Agent evicted successfully\n')
    })
    return 0
  },
})
