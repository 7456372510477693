import { execFile as execFileWithCallback } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Agent } from '@mini-spire/agent/agent'
import type { ResolvedAgentConfig } from '@mini-spire/agent/config/resolved-config'
import { systemClock } from '@mini-spire/runtime/clock'
import { createClient, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { createLogger } from '@mini-spire/runtime/log/create-logger'
import { SpiffeWorkloadAPIService } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { TestCa } from '@mini-spire/sdk/testing'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { testAgentConfig } from '../kit/agent-config.ts'
import { FakeServer, type FakeServerOptions } from '../kit/fake-server.ts'
import { root } from '../kit/repository.ts'

const execFile = promisify(execFileWithCallback)

const header = { metadata: { 'workload.spiffe.io': 'true' } }
let folder: string
let cleanup: Cleanup
let lines: string[]

/** What a test has started, ended in the opposite order. */
class Cleanup {
  readonly #ends: (() => unknown)[] = []
  add(end: () => unknown): void {
    this.#ends.push(end)
  }
  async end(): Promise<void> {
    for (const end of this.#ends.reverse()) await end()
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-'))
  cleanup = new Cleanup()
  lines = []
  cleanup.add(() => rm(folder, { recursive: true, force: true }))
})
afterEach(() => cleanup.end())

async function startServer(options: FakeServerOptions = {}): Promise<FakeServer> {
  const server = new FakeServer(options)
  await server.start()
  cleanup.add(() => server.stop())
  await writeFile(join(folder, 'bundle.pem'), server.bundlePem)
  return server
}

function makeAgent(server: FakeServer, more: Partial<ResolvedAgentConfig> = {}): Agent {
  const destination = { isTerminal: false, write: (text: string) => void lines.push(text) }
  const log = createLogger({ format: 'plain', level: 'debug', destination, clock: systemClock })
  const agent = new Agent(testAgentConfig(folder, server.port, more), { log })
  cleanup.add(() => agent.stop())
  return agent
}

async function startAgent(
  server: FakeServer,
  more: Partial<ResolvedAgentConfig> = {},
): Promise<Agent> {
  const agent = makeAgent(server, more)
  await agent.start()
  return agent
}

function workload(): WorkloadApiClient {
  const client = new WorkloadApiClient({ address: `unix://${join(folder, 'public', 'api.sock')}` })
  cleanup.add(() => client[Symbol.dispose]())
  return client
}

function rawWorkload() {
  const channel = openUnixChannel(join(folder, 'public', 'api.sock'))
  cleanup.add(() => channel.close())
  return createClient(SpiffeWorkloadAPIService, channel)
}

async function stateFile(): Promise<{ svid: string[] | null; bundle: string[] | null }> {
  return JSON.parse(await readFile(join(folder, 'data', 'agent-data.json'), 'utf8'))
}

describe('an agent refuses', () => {
  it('a server that its bundle does not vouch for: it never shows it the token', async () => {
    const server = await startServer()
    const stranger = TestCa.create('example.org')
    await writeFile(
      join(folder, 'bundle.pem'),
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(stranger.certificate.raw).toString('base64')}\n-----END CERTIFICATE-----\n`,
    )
    const agent = makeAgent(server)
    const started = agent.start()
    started.catch(() => {})
    await expect.poll(() => lines.join('')).toMatch(/unknown authority/)
    await agent.stop()
    await expect(started).rejects.toThrow()
    expect(server.calls).toEqual([])
  })

  it('callers without the security header, and those without an entry', async () => {
    const server = await startServer()
    await startAgent(server)
    const raw = rawWorkload()
    await expect(raw.fetchJwtsvid({ audience: ['a'], spiffeId: '' })).rejects.toMatchObject({
      statusMessage: 'security header missing from request',
      kind: 'invalid-argument',
    })
    await expect(raw.fetchJwtsvid({ audience: [], spiffeId: '' }, header)).rejects.toMatchObject({
      statusMessage: 'audience must be specified',
    })
    await expect(
      raw.fetchJwtsvid({ audience: ['a'], spiffeId: 'x' }, header),
    ).rejects.toMatchObject({
      statusMessage: 'invalid requested SPIFFE ID: scheme is missing or invalid',
    })
    await expect(raw.fetchJwtsvid({ audience: ['a'], spiffeId: '' }, header)).rejects.toMatchObject(
      { statusMessage: 'no identity issued', kind: 'permission-denied' },
    )
    await expect(workload().fetchX509Svid()).rejects.toMatchObject({ kind: 'permission-denied' })
  })
})

describe('an agent', () => {
  it('attests, serves both kinds of SVID, and validates what it served', async () => {
    const server = await startServer()
    server.setEntry('1', '/web', { hint: 'web' })
    await startAgent(server)
    const client = workload()
    const svid = await client.fetchX509Svid()
    const proven = verifyX509Svid(svid.chain, server.ca.x509Bundle, { now: new Date() })
    expect([proven.toString(), svid.hint]).toEqual(['spiffe://example.org/web', 'web'])
    const { token } = await client.fetchJwtSvid({ audience: ['a', 'b'] })
    const again = await client.fetchJwtSvid({ audience: ['b', 'a'] })
    expect(again.token).toBe(token)
    const raw = rawWorkload()
    const valid = await raw.validateJwtsvid({ audience: 'b', svid: token }, header)
    expect([valid.spiffeId, valid.claims?.['aud']]).toEqual([
      'spiffe://example.org/web',
      ['a', 'b'],
    ])
    await expect(raw.validateJwtsvid({ audience: 'c', svid: token }, header)).rejects.toMatchObject(
      { statusMessage: 'expected audience in ["c"] (audience=["a" "b"])' },
    )
    expect(lines.join('')).not.toContain(token)
  })

  it('tells open streams of new and changed entries, and ends them with the last one', async () => {
    const server = await startServer({ pageSize: 1 })
    server.setEntry('1', '/one')
    server.setEntry('2', '/two')
    await startAgent(server)
    const stream = rawWorkload().fetchX509Svid({}, header)[Symbol.asyncIterator]()
    const ids = async (): Promise<string[]> =>
      (await stream.next()).value?.svids.map(({ spiffeId }: { spiffeId: string }) => spiffeId)
    expect(await ids()).toEqual(['spiffe://example.org/one', 'spiffe://example.org/two'])
    server.setEntry('3', '/three')
    expect((await ids()).length).toBe(3)
    expect(new Set(server.requestedIds)).toEqual(new Set(['1', '2', '3']))
    expect(server.requestedIds.length).toBe(3)
    server.entries.clear()
    await expect(stream.next()).rejects.toMatchObject({ statusMessage: 'no identity issued' })
  })

  it('renews SVIDs and its own before they run out', async () => {
    const server = await startServer({ svidTtlSeconds: 16, isReattestable: false })
    server.setEntry('1', '/web')
    await startAgent(server)
    const stream = rawWorkload().fetchX509Svid({}, header)[Symbol.asyncIterator]()
    const first = (await stream.next()).value?.svids[0]
    const second = (await stream.next()).value?.svids[0]
    expect(second?.spiffeId).toBe('spiffe://example.org/web')
    expect(second?.x509SvidKey).not.toEqual(first?.x509SvidKey)
    await expect.poll(() => server.count('RenewAgent')).toBeGreaterThan(0)
    await stream.return?.()
  })

  it('serves what it has while the server is away, and catches up afterwards', async () => {
    const server = await startServer()
    server.setEntry('1', '/web')
    await startAgent(server)
    const client = workload()
    const { token } = await client.fetchJwtSvid({ audience: ['a'] })
    await server.stop()
    expect((await client.fetchX509Svid()).spiffeId.path).toBe('/web')
    expect((await client.fetchJwtSvid({ audience: ['a'] })).token).toBe(token)
    await expect(client.fetchJwtSvid({ audience: ['new'] })).rejects.toMatchObject({
      kind: 'unavailable',
    })
    server.setEntry('0', '/late')
    await server.start()
    await expect.poll(async () => (await client.fetchX509Svid()).spiffeId.path).toBe('/late')
  })

  it('that the server has forgotten attests again in place', async () => {
    const server = await startServer()
    server.setEntry('1', '/web')
    await startAgent(server)
    server.isKnown = false
    await expect.poll(() => server.count('AttestAgent')).toBe(2)
    expect((await workload().fetchX509Svid()).spiffeId.path).toBe('/web')
  })

  it('that is banned forgets its SVID and ends', async () => {
    const server = await startServer()
    const agent = await startAgent(server)
    expect((await stateFile()).svid).toHaveLength(1)
    server.isBanned = true
    await expect(agent.ended).rejects.toThrow(/agent is not allowed/)
    const { svid, bundle } = await stateFile()
    expect([svid, bundle?.length]).toEqual([null, 1])
  })

  it('starts again from its state without attesting', async () => {
    const server = await startServer()
    server.setEntry('1', '/web')
    const first = await startAgent(server)
    await first.stop()
    await startAgent(server, { joinToken: '' })
    expect((await workload().fetchX509Svid()).spiffeId.path).toBe('/web')
    expect(server.count('AttestAgent')).toBe(1)
  })

  it('replaces at once what a tainted root has signed', async () => {
    const server = await startServer()
    server.setEntry('1', '/web')
    await startAgent(server)
    const stream = rawWorkload().fetchX509Svid({}, header)[Symbol.asyncIterator]()
    await stream.next()
    const old = server.ca
    server.ca = TestCa.create('example.org')
    server.oldRoots.push({ certificate: old.certificate.raw, tainted: true })
    const isNew = async (): Promise<boolean> => {
      const { chain } = await workload().fetchX509Svid()
      try {
        verifyX509Svid(chain, server.ca.x509Bundle, { now: new Date() })
        return true
      } catch {
        return false
      }
    }
    await expect.poll(isNew).toBe(true)
    await stream.return?.()
  })

  it('gives 2,000 workloads that connect at once their identity', async () => {
    const server = await startServer()
    server.setEntry('1', '/web')
    await startAgent(server)
    const program = `
      const fetchOne = async () =>
        (await new WorkloadApiClient({ address }).fetchX509Svid()).spiffeId.path
      const paths = await Promise.all(Array.from({ length: 250 }, fetchOne))
      console.log(paths.filter((path) => path === '/web').length)
      process.exit()`
    const counts = await Promise.all(Array.from({ length: 8 }, () => runWorkload(program)))
    expect(counts.map(Number)).toEqual(Array.from({ length: 8 }, () => 250))
  })

  it('limits one that floods, and answers the others meanwhile', async () => {
    const server = await startServer()
    server.setEntry('1', '/web')
    const { experimental } = testAgentConfig(folder, 0)
    const rateLimit = { ...experimental.rateLimit, fetchJwtSvid: 5 }
    await startAgent(server, { experimental: { ...experimental, rateLimit } })
    const flood = runWorkload(`
      const client = new WorkloadApiClient({ address })
      const one = () => client.fetchJwtSvid({ audience: ['a'] }).then(() => '', (error) => error.message)
      const results = await Promise.all(Array.from({ length: 500 }, one))
      const refused = results.filter((text) =>
        text.endsWith('rate limit exceeded for /SpiffeWorkloadAPI/FetchJWTSVID'))
      console.log(refused.length > 400 && results.length > refused.length)
      process.exit()`)
    expect((await workload().fetchX509Svid()).spiffeId.path).toBe('/web')
    expect((await flood).trim()).toBe('true')
  })
})

/** Runs a program with the built SDK in a process of its own, as workloads do; returns what it printed. */
async function runWorkload(program: string): Promise<string> {
  const address = `unix://${join(folder, 'public', 'api.sock')}`
  const text = `import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
    const address = ${JSON.stringify(address)}
    ${program}`
  const { stdout } = await execFile(process.execPath, ['--input-type=module', '-e', text], {
    cwd: root,
  })
  return stdout
}
