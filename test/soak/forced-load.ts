import { setTimeout as pause } from 'node:timers/promises'
import { ForcedRotation } from '../kit/forced-rotation.ts'
import { ServedWorkload } from '../kit/served-workload.ts'
import { EchoPair } from './echo-pair.ts'
import { TokenExchange } from './token-exchange.ts'

/** Between rounds of the load: many for each step of a rotation, and time for the daemons on a small machine. */
const pauseMs = 40
const agentSettings = 'experimental { sync_interval = "1s" }'

/** What {@link rotateUnderLoad} has seen. */
export interface LoadSeen {
  /** What went wrong for workloads, with the time. */
  readonly failures: readonly string[]
  /** Rounds of new connection, open connection and token. */
  readonly rounds: number
  /** Authorities that are not trusted any more. */
  readonly revoked: readonly string[]
  /** Agents of the server, before and after. */
  readonly agents: { readonly before: string; readonly after: string }
  readonly agentOutput: string
  readonly serverOutput: string
}

/**
 * Replaces X.509 and JWT authorities by hand, as often as said, while two workloads connect to each other and exchange tokens
 * all the time.
 */
export async function rotateUnderLoad(times: number): Promise<LoadSeen> {
  await using served = await ServedWorkload.start({ agent: agentSettings })
  const { server, agent } = served
  const serverId = served.register('/echo-server')
  const clientId = served.register('/echo-client')
  await agent.daemon.waitFor(new RegExp(`Creating X509-SVID.*${clientId}`))
  await using pair = await EchoPair.start({ address: agent.address, serverId, clientId })
  await using tokens = await TokenExchange.start(agent.address)
  await using rotation = new ForcedRotation(server, [{ id: served.parentId, agent }])
  const agentIds = (): string =>
    server.must('agent', 'list').replace(/(Serial|Expiration).*\n/g, '')
  const before = agentIds()
  const startLengths = [agent.daemon.output.length, server.daemon.output.length] as const
  const failures: string[] = []
  let rounds = 0
  const attempt = async (what: string, step: () => Promise<unknown>): Promise<void> => {
    try {
      await step()
    } catch (error) {
      failures.push(`${new Date().toISOString()} ${what}: ${String(error)}`)
    }
  }
  const stop = new AbortController()
  const load = (async () => {
    while (!stop.signal.aborted) {
      await attempt('new connection', () => pair.callAnew())
      await attempt('open connection', () => pair.callKept())
      await attempt('token', () => tokens.round(rounds))
      rounds++
      await pause(pauseMs)
    }
  })()
  const revoked: string[] = []
  try {
    for (let time = 0; time < times; time++) {
      const family = time % 2 === 0 ? 'x509' : 'jwt'
      const leave = async (id: string): Promise<void> => {
        tokens.forget(id)
        await pair.leave(id)
      }
      revoked.push((await rotation.replace(family, leave)).former)
    }
  } finally {
    stop.abort()
    await load
  }
  failures.push(...pair.refused.map(String))
  return {
    failures,
    rounds,
    revoked,
    agents: { before, after: agentIds() },
    agentOutput: agent.daemon.output.slice(startLengths[0]),
    serverOutput: server.daemon.output.slice(startLengths[1]),
  }
}

/** The lines of a log that say that something is wrong. */
export function errorLines(output: string): readonly string[] {
  return output.split('\n').filter((line) => /level=(error|fatal|panic)/.test(line))
}
