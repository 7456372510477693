import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { checkInt32, parseWireId } from '@mini-spire/runtime/cli/values'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { JoinToken } from '@mini-spire/runtime/proto/spire/api/types/jointoken'
import { serverCommand } from '../server-command.ts'

/** `token generate` */
export const command: AnyCommand = serverCommand({
  name: 'generate',
  flags: {
    ttl: { type: 'int', usage: 'Token TTL in seconds', value: 600 },
    spiffeID: {
      type: 'string',
      usage: 'Additional SPIFFE ID to assign the token owner (optional)',
    },
  },
  async run({ flags, terminal, client, print }) {
    const agentId = flags.spiffeID === '' ? undefined : parseWireId(flags.spiffeID)
    const ttl = checkInt32(flags.ttl, 'invalid value for TTL: ')
    const agents = await client(AgentService)
    const token = await agents.createJoinToken({ agentId, ttl, token: '' })
    const bytes = JoinToken.encode(token).finish()
    await print({ type: 'spire.api.types.JoinToken', bytes }, () => {
      terminal.out(`Token: ${token.value}\n`)
      if (flags.spiffeID === '') terminal.out('Warning: Missing SPIFFE ID.\n')
    })
    return 0
  },
})
