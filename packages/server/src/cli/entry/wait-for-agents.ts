import type { ClientContext } from '@mini-spire/runtime/cli/client-command'
import type { FlagsSchema } from '@mini-spire/runtime/cli/flags'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { formatWireId } from '@mini-spire/runtime/cli/values'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import {
  type AwaitAgentsResponse_Agent,
  AwaitAgentsResponse_State,
  PushService,
} from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { hasSucceeded } from './print-results.ts'

const nanosecondsPerMs = 1_000_000n

/** Flags of the commands that can wait until agents have what was changed. */
export const waitFlags = {
  wait: {
    type: 'bool',
    isOurs: true,
    usage:
      'If set, returns only when all agents that the entries are for have acknowledged the change, and fails naming those that have not',
  },
  waitTimeout: {
    type: 'duration',
    isOurs: true,
    valueMs: 10_000,
    usage: 'How long -wait waits for agents, at most a minute',
  },
} as const

/** The values of those flags. */
export interface WaitFlagValues {
  readonly wait: boolean
  readonly waitTimeout: bigint
}

/**
 * Changes entries, and waits for their agents when that was asked for: those that had one of the entries before, and those
 * that have one afterwards. What is said of it goes to standard error; standard output is the command's own.
 *
 * @param entryIds what is about to be changed
 * @param change makes the change, and resolves to the entries there are afterwards
 * @throws {CommandError} when the server cannot tell (nothing is changed then), or when an agent has not acknowledged in time
 */
export async function changeAndWait<S extends FlagsSchema>(
  { client, terminal }: Pick<ClientContext<S>, 'client' | 'terminal'>,
  { wait, waitTimeout }: WaitFlagValues,
  entryIds: readonly string[],
  change: () => Promise<readonly string[]>,
): Promise<void> {
  if (!wait) {
    await change()
    return
  }
  const push = await client(PushService)
  const agentsOf = async (ids: readonly string[]): Promise<readonly SPIFFEID[]> =>
    (await push.findAgents({ entryIds: [...ids] })).agents
  const before = await agentsOf(entryIds).catch(cannotWait)
  const after = await agentsOf(await change())
  const agents = new Map([...before, ...after].map((id) => [formatWireId(id), id]))
  if (agents.size === 0) return terminal.err('No agent to wait for\n')
  const timeoutMs = Number(waitTimeout / nanosecondsPerMs)
  const reply = await push.awaitAgents({ agents: [...agents.values()], timeoutMs })
  const late = reply.agents.filter(({ state }) => state !== AwaitAgentsResponse_State.ACKNOWLEDGED)
  if (late.length === 0) return terminal.err(`Acknowledged by all ${agents.size} agents\n`)
  throw new CommandError(
    `${late.length} of ${agents.size} agents have not acknowledged within ${formatGoDuration(waitTimeout)}: ${late.map(describe).join(', ')}`,
  )
}

/** The IDs of the entries that a batch has changed. */
export function changedIds(
  results: readonly {
    readonly status: Parameters<typeof hasSucceeded>[0]['status']
    readonly entry: { readonly id: string } | undefined
  }[],
): readonly string[] {
  return results.filter(hasSucceeded).flatMap(({ entry }) => (entry ? [entry.id] : []))
}

function describe({ id, state }: AwaitAgentsResponse_Agent): string {
  const why = state === AwaitAgentsResponse_State.BEHIND ? 'behind' : 'not connected'
  return `${id ? formatWireId(id) : ''} (${why})`
}

function cannotWait(cause: unknown): never {
  if (!(isSpiffeError(cause) && cause.kind === 'unimplemented')) throw cause
  throw new CommandError(
    'the server cannot tell what agents have acknowledged; nothing was changed',
    {
      cause,
    },
  )
}
