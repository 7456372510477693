import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain, formatWireId, plural } from '@mini-spire/runtime/cli/values'
import { systemClock } from '@mini-spire/runtime/clock'
import { stringifyGoJson } from '@mini-spire/runtime/go-json'
import {
  AgentService,
  ListAgentsRequest,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import type { Agent } from '@mini-spire/runtime/proto/spire/api/types/agent'
import { messageOf } from '@mini-spire/sdk/errors'
import { serverCommand } from '../server-command.ts'

interface Purged {
  readonly id: string
  readonly isDeleted: boolean
  readonly error?: string
}

/** `agent purge` */
export const command: AnyCommand = serverCommand({
  name: 'agent purge',
  flags: {
    expiredFor: {
      type: 'duration',
      usage:
        "Amount of time that has passed since the agent's SVID has expired. It is used to determine which agents to purge.",
      valueMs: 30 * 24 * 3_600_000,
    },
    dryRun: {
      type: 'bool',
      usage:
        'Indicates that the command will not perform any action, but will print the agents that would be purged.',
    },
    output: { type: 'output', usage: 'Desired output format (pretty, json); default: pretty.' },
  },
  async run({ flags, terminal, client }) {
    const service = await explain('failed to list agents: ', client(AgentService))
    const request = ListAgentsRequest.fromPartial({
      filter: { byCanReattest: true },
      outputMask: { x509svidExpiresAt: true },
    })
    const reply = await explain('failed to list agents: ', service.listAgents(request))
    const expiredFor = flags.expiredFor / 1_000_000n
    const nowMs = BigInt(systemClock.nowMs())
    const expired = reply.agents.filter(
      (agent) => nowMs - agent.x509svidExpiresAt * 1000n > expiredFor,
    )
    const results: Purged[] = []
    for (const agent of expired) {
      results.push(await purgeOne(agent, flags.dryRun, (id) => service.deleteAgent({ id })))
    }
    terminal.out(flags.output === 'json' ? json(results) : pretty(results, flags.dryRun))
    return 0
  },
})

async function purgeOne(
  agent: Agent,
  isDryRun: boolean,
  remove: (id: Agent['id']) => Promise<unknown>,
): Promise<Purged> {
  const id = formatWireId(agent.id)
  if (isDryRun) return { id, isDeleted: false }
  try {
    await remove(agent.id)
    return { id, isDeleted: true }
  } catch (error) {
    return { id, isDeleted: false, error: messageOf(error) }
  }
}

function json(results: readonly Purged[]): string {
  const agents = results.map(({ id, isDeleted, error }) => ({
    agent_id: id,
    deleted: isDeleted,
    ...(error === undefined ? {} : { error }),
  }))
  return `${stringifyGoJson({ expired_agents: agents })}\n`
}

function pretty(results: readonly Purged[], isDryRun: boolean): string {
  if (results.length === 0) return 'No agents to purge.\n'
  const line = ({ id }: Purged): string => `SPIFFE ID         : ${id}\n`
  const heading = `Found ${plural(results.length, 'expired agent')}\n\n`
  if (isDryRun) return `${heading}\nAgents that can be purged:\n${results.map(line).join('')}`
  const purged = results.filter(({ isDeleted }) => isDeleted)
  const kept = results.filter(({ isDeleted }) => !isDeleted)
  const failure = (result: Purged): string =>
    `${line(result)}Error             : ${result.error ?? ''}\n`
  return [
    heading,
    purged.length > 0 ? `Agents purged:\n${purged.map(line).join('')}` : '',
    kept.length > 0 ? `Agents not purged:\n${kept.map(failure).join('')}` : '',
  ].join('')
}
