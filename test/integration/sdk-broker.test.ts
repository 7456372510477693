import { copyFileSync, realpathSync } from 'node:fs'
import { BrokerClient, type WorkloadReference } from '@mini-spire/sdk/broker'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { authorizeId, authorizeMemberOf } from '@mini-spire/sdk/tls'
import { X509Source } from '@mini-spire/sdk/workload-api'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { descriptorsOf } from '../kit/process-use.ts'
import { type Daemon, freePort, Scene } from '../kit/processes.ts'

const domain = TrustDomain.parse('example.org')
let scene: Scene
let server: ServerDeployment
let agent: AgentDeployment
let source: X509Source
let addresses: readonly [local: string, remote: string]
let parent: string

beforeAll(async () => {
  scene = new Scene()
  server = await ServerDeployment.start(scene)
  scene.makeFolder('agent-broker')
  const socket = scene.path('agent-broker', 'broker.sock')
  const port = await freePort()
  agent = await AgentDeployment.start(scene, server, {
    settings: `experimental {
      broker {
        socket_path = "${socket}"
        bind_address = "127.0.0.1:${port}"
        brokers = [{ id = "spiffe://example.org/broker", allowed_reference_types = [{ type_url = "*", allow_over_tcp = true }] }]
      }
    }`,
  })
  addresses = [`unix://${socket}`, `tcp://localhost:${port}`]
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  parent = `spiffe://example.org${agents[0].id.path}`
  register('/broker', realpathSync(process.execPath))
  source = await X509Source.create({ address: agent.address })
})

afterAll(async () => {
  source?.close()
  await scene[Symbol.asyncDispose]()
})

function register(path: string, program: string): void {
  server.must(
    ...['entry', 'create', '-parentID', parent, '-spiffeID', `spiffe://example.org${path}`],
    ...['-selector', `unix:path:${program}`],
  )
}

/** A workload of its own kind, and what it is called. */
function startWorkload(name: string): {
  readonly daemon: Daemon
  readonly workload: WorkloadReference
  readonly program: string
} {
  const program = scene.path(name)
  copyFileSync('/bin/sleep', program)
  const daemon = scene.start({ command: program, args: ['600'] }, [])
  return { daemon, program, workload: { kind: 'process', pid: daemon.process.pid ?? 0 } }
}

function open(address = addresses[0]): BrokerClient {
  const authorize = authorizeMemberOf(domain)
  return new BrokerClient({ address, svids: source, bundles: source, authorize })
}

describe('a broker in TypeScript', () => {
  it('gets everything of a workload, over both ways', async () => {
    const { workload, program } = startWorkload('web')
    register('/web', program)
    register('/web-too', program)
    for (const address of addresses) {
      using client = open(address)
      let states = 0
      for await (const { svids, bundles } of client.watchX509(workload)) {
        states++
        if (svids.length < 2) continue
        const ids = svids.map(({ chain }) => verifyX509Svid(chain, bundles, { now: new Date() }))
        expect(ids.map(({ path }) => path).sort()).toEqual(['/web', '/web-too'])
        break
      }
      expect(states).toBeGreaterThan(0)
      const subject = SpiffeId.parse('spiffe://example.org/web-too')
      const [token, ...more] = await client.fetchJwtSvids(workload, { audience: ['a'], subject })
      expect([token.spiffeId.path, token.audience, more]).toEqual(['/web-too', ['a'], []])
      expect((await client.fetchX509Bundles(workload)).findX509Bundle(domain)).toBeDefined()
      expect((await client.fetchJwtBundles(workload)).findJwtBundle(domain)).toBeDefined()
      for await (const bundles of client.watchX509Bundles(workload)) {
        expect(bundles.findX509Bundle(domain)).toBeDefined()
        break
      }
    }
  })

  it('hears of the first identity, and of the end, after which asking again is pointless', async () => {
    const { workload, program, daemon } = startWorkload('late')
    using client = open()
    expect((await client.fetchX509(workload)).svids).toEqual([])
    await expect(client.fetchJwtSvids(workload, { audience: ['a'] })).rejects.toMatchObject({
      kind: 'permission-denied',
      details: 'no identity issued',
    })
    const seen: number[] = []
    const following = (async () => {
      for await (const { svids } of client.watchX509(workload)) {
        seen.push(svids.length)
        if (svids.length === 0) register('/late', program)
        else daemon.process.kill('SIGKILL')
      }
    })()
    await expect(following).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_API_CALL',
      kind: 'not-found',
      details: `process ${daemon.process.pid} has ended`,
    })
    expect([seen[0], seen.at(-1)]).toEqual([0, 1])
    await expect(client.fetchX509(workload)).rejects.toMatchObject({ kind: 'not-found' })
  })

  it('is told what it may not name', async () => {
    using client = open()
    const pod = { kind: 'kubernetes', plural: 'pods', group: 'core', uid: 'u' } as const
    await expect(client.fetchX509(pod)).rejects.toMatchObject({
      kind: 'unimplemented',
      details: 'no workload attestor handled reference',
    })
    const other = { kind: 'other', typeUrl: '', value: new Uint8Array() } as const
    await expect(client.fetchX509(other)).rejects.toMatchObject({ kind: 'invalid-argument' })
  })

  it('talks to no agent but the one it means', async () => {
    const { workload } = startWorkload('meant')
    for (const address of addresses) {
      using client = new BrokerClient({
        ...{ address, svids: source, bundles: source },
        authorize: authorizeId(SpiffeId.parse('spiffe://example.org/spire/agent/other')),
      })
      await expect(client.fetchX509(workload)).rejects.toMatchObject({ kind: 'unavailable' })
    }
  })

  it('costs the agent no descriptor that it does not give back, however many it follows', async () => {
    const { workload } = startWorkload('followed')
    using client = open()
    await client.fetchX509(workload)
    const openFiles = (): number => descriptorsOf(agent.daemon)
    const before = openFiles()
    const watches = Array.from({ length: 300 }, () => client.watchX509(workload))
    await Promise.all(watches.map((watching) => watching.next()))
    // What was open for something else may be closed meanwhile, or open anew.
    const others = 5
    expect(openFiles()).toBeGreaterThanOrEqual(before + 300 - others)
    await Promise.all(watches.map((watching) => watching.return(undefined)))
    await expect
      .poll(() => client.fetchX509(workload).then(openFiles))
      .toBeLessThanOrEqual(before + others)
  })
})
