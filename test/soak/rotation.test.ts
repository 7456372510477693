import { setTimeout as pause } from 'node:timers/promises'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { expect, it } from 'vitest'
import { ServedWorkload } from '../kit/served-workload.ts'
import { EchoPair } from './echo-pair.ts'
import { TokenExchange } from './token-exchange.ts'

const scale = Number(process.env['SOAK_SCALE'] ?? '1')
const lengthMs = 600_000 * scale
/** Between rounds: enough load to meet every rotation many times, and time for the daemons on a small machine. */
const pauseMs = 40

/**
 * With this TTL authorities are prepared every 20 seconds and sign ten seconds later, six before the ones they replace end;
 * the first is replaced after 30 seconds. SVIDs never outlive their authority, so that all of them turn over with it.
 */
const serverSettings = `
    ca_ttl = "36s"
    agent_ttl = "20s"
    default_x509_svid_ttl = "20s"
    default_jwt_svid_ttl = "20s"`
const agentSettings = 'experimental { sync_interval = "1s" }'
const rotationSeconds = 25

/** What is counted while the run lasts. */
interface Seen {
  readonly serials: Set<string>
  readonly authorities: Set<string>
  readonly failures: string[]
  rounds: number
}

/** Runs one step of a round; a failure is noted with its time, and the run goes on. */
async function attempt(seen: Seen, what: string, step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    seen.failures.push(`${new Date().toISOString()} ${what}: ${String(error)}`)
  }
}

async function round(seen: Seen, pair: EchoPair, tokens: TokenExchange): Promise<void> {
  await attempt(seen, 'new connection', async () => {
    const [leaf] = await pair.callAnew()
    const { serialNumber, authorityKeyId } = parseCertificate(leaf as Uint8Array)
    seen.serials.add(serialNumber)
    seen.authorities.add(Buffer.from(authorityKeyId ?? []).toString('hex'))
  })
  await attempt(seen, 'open connection', () => pair.callKept())
  await attempt(seen, 'token', () => tokens.round(seen.rounds))
  seen.rounds++
}

function errorLines(output: string): readonly string[] {
  return output.split('\n').filter((line) => /level=(error|fatal|panic)/.test(line))
}

it('authorities rotate under load: no handshake fails, no token is refused', async () => {
  await using served = await ServedWorkload.start({ server: serverSettings, agent: agentSettings })
  const { server, agent } = served
  const serverId = served.register('/echo-server')
  const clientId = served.register('/echo-client')
  await served.agent.daemon.waitFor(new RegExp(`Creating X509-SVID.*${clientId}`))
  await using pair = await EchoPair.start({ address: agent.address, serverId, clientId })
  // Until the entries were known, callers were told so.
  const startLength = agent.daemon.output.length
  await using tokens = await TokenExchange.start(agent.address)
  const seen: Seen = { serials: new Set(), authorities: new Set(), failures: [], rounds: 0 }
  const endMs = Date.now() + lengthMs
  while (Date.now() < endMs) {
    await round(seen, pair, tokens)
    await pause(pauseMs)
  }
  process.stdout.write(
    `soak: ${seen.rounds} rounds, ${seen.serials.size} SVIDs of ${seen.authorities.size} authorities, ` +
      `${tokens.verifications} verifications of tokens by ${tokens.keyIds.size} keys\n`,
  )

  // What a daemon has to say comes before what its callers saw of it, and the first of many failures before the last.
  expect(errorLines(server.daemon.output)).toEqual([])
  expect(errorLines(agent.daemon.output.slice(startLength))).toEqual([])
  expect(seen.failures.slice(0, 5)).toEqual([])
  expect(pair.refused.slice(0, 5)).toEqual([])
  const rotations = Math.floor(lengthMs / 1000 / rotationSeconds)
  expect(rotations).toBeGreaterThanOrEqual(2)
  expect(seen.authorities.size).toBeGreaterThan(rotations)
  expect(tokens.keyIds.size).toBeGreaterThan(rotations)
  expect(seen.serials.size).toBeGreaterThan(seen.authorities.size)
  expect(await agent.daemon.stop()).toBe(0)
  expect(await server.daemon.stop()).toBe(0)
})
