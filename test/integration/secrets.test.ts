import { createPrivateKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createClient, openSvidChannel, openUnixChannel } from '@mini-spire/runtime/grpc/client'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { freePort, ours, Scene } from '../kit/processes.ts'
import { agentIds, fetchUntilServed, registerUser } from '../spire/programs.ts'
import {
  type Canary,
  jwtCanary,
  keyCanary,
  keyFileCanaries,
  leaks,
  textCanary,
  writingsBelow,
} from './secret-canaries.ts'
import { attestAt } from './server-scene.ts'

const audience = 'spiffe://example.org/audience'

/** Every daemon of the scenario, what it said, and what must not be in it. */
class SecretScene {
  readonly scene: Scene = new Scene()
  readonly canaries: Canary[] = []
  /** What commands and failed calls said that is not a secret's rightful place. */
  readonly errors: string[] = []
  readonly agents: AgentDeployment[] = []
  readonly metricsPorts: number[] = []

  async telemetry(): Promise<string> {
    const port = await freePort()
    this.metricsPorts.push(port)
    return `telemetry { Prometheus { host = "127.0.0.1" port = ${port} } }`
  }

  /** Runs what must fail and keeps what it said. */
  async refused(work: () => Promise<unknown>): Promise<string> {
    const error = await work().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (!(error instanceof Error)) throw new Error('it was not refused')
    const text = `${error.message}\n${error.stack}\n${JSON.stringify(error)}`
    this.errors.push(text)
    return text
  }
}

type NodeFiles = ReturnType<typeof makeNodeCertificate>

async function startServer(made: SecretScene, node: NodeFiles): Promise<ServerDeployment> {
  const folder = made.scene.path('server')
  return await ServerDeployment.start(made.scene, {
    logLevel: 'TRACE',
    settings: 'audit_log_enabled = true',
    plugins: `
    DataStore "level" { plugin_data {} }
    KeyManager "disk" { plugin_data { keys_path = "${folder}/keys.json" } }
    NodeAttestor "join_token" { plugin_data {} }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" } }`,
    blocks: await made.telemetry(),
  })
}

async function startAgents(
  made: SecretScene,
  server: ServerDeployment,
  node: NodeFiles,
): Promise<AgentDeployment> {
  const agent = await AgentDeployment.start(made.scene, server, {
    logLevel: 'TRACE',
    blocks: await made.telemetry(),
  })
  const popFolder = made.scene.path('pop')
  const pop = await AgentDeployment.start(made.scene, server, {
    name: 'pop',
    logLevel: 'TRACE',
    plugins: x509PopPlugins(node, popFolder),
    blocks: await made.telemetry(),
    args: [],
  })
  made.agents.push(agent, pop)
  made.canaries.push(keyCanary('node key', createPrivateKey(readFileSync(node.key))))
  return agent
}

/** Fetches, validates and mints; what succeeds is noted as a secret. */
async function useIdentities(
  made: SecretScene,
  server: ServerDeployment,
  agent: AgentDeployment,
): Promise<void> {
  using client = new WorkloadApiClient({ address: agent.address })
  const svid = await client.fetchX509Svid()
  made.canaries.push(keyCanary('workload key', svid.privateKey))
  const { token } = await client.fetchJwtSvid({ audience: [audience] })
  await client.validateJwtSvid(token, audience)
  made.canaries.push(jwtCanary('workload token', token))
  const forged = `${token.slice(0, token.lastIndexOf('.'))}.${randomBytes(64).toString('base64url')}`
  made.canaries.push(jwtCanary('forged token', forged))
  await made.refused(() => client.validateJwtSvid(forged, audience))
  await made.refused(() => client.validateJwtSvid(token, 'another'))
  await made.refused(() => client.validateJwtSvid(`${token}.x`, audience))
  for (const bad of [forged, `x${token}`]) {
    const done = agent.cli('api', 'validate', 'jwt', '-audience', audience, '-svid', bad)
    expect(done.status).not.toBe(0)
    made.errors.push(done.stdout, done.stderr)
  }
  const minted = server.cli('jwt', 'mint', '-spiffeID', svid.spiffeId.toString(), '-audience', 'a')
  made.canaries.push(jwtCanary('minted token', minted.stdout.trim()))
  const x509 = server.cli('x509', 'mint', '-spiffeID', svid.spiffeId.toString())
  made.canaries.push(keyCanary('minted key', createPrivateKey(x509.stdout)))
  made.errors.push(minted.stderr, x509.stderr)
}

/** Tokens that are wrong, used, or never used; requests that are no requests. */
async function misuse(made: SecretScene, server: ServerDeployment): Promise<void> {
  const wrong = `wrong-${randomUUID()}`
  const unused = server.token()
  made.canaries.push(textCanary('wrong join token', wrong), textCanary('unused join token', unused))
  await made.refused(() => attestAt(server.port, wrong))
  const refused = AgentDeployment.prepare(made.scene, server, { name: 'wrong', logLevel: 'TRACE' })
  const daemon = refused.begin(['-joinToken', wrong])
  // It would ask again for most of a minute.
  await daemon.waitFor('Failed to retrieve attestation result')
  await daemon.stop()
  made.errors.push(daemon.output)
  const again = server.token()
  const identity = await attestAt(server.port, again)
  made.canaries.push(keyCanary('agent key', identity.key))
  await made.refused(() => attestAt(server.port, again))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  made.canaries.push(keyCanary('key sent by mistake', privateKey))
  const csr = privateKey.export({ format: 'der', type: 'pkcs8' })
  using local = openUnixChannel(server.socket)
  const svids = createClient(SVIDService, local)
  await made.refused(() => svids.mintX509Svid({ csr, ttl: 0 }))
  using remote = openSvidChannel({
    address: '127.0.0.1',
    port: server.port,
    svid: () => identity,
    verifyServer: () => {},
  })
  const { results } = await createClient(SVIDService, remote).batchNewX509Svid({
    params: [{ entryId: 'none', csr }],
  })
  made.errors.push(JSON.stringify(results))
}

async function metricsPage(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
}

it('private keys, tokens and unused join tokens are in no log, metric, error or store', async () => {
  const made = new SecretScene()
  await using scene = made.scene
  const node = makeNodeCertificate(scene.folder, 'node')
  const server = await startServer(made, node)
  const agent = await startAgents(made, server, node)
  const parent = agentIds(server).find((id) => id.includes('/join_token/')) ?? ''
  const id = registerUser(server, parent, '/canary')
  fetchUntilServed(agent, ours.agent, 'x509')
  await useIdentities(made, server, agent)
  await misuse(made, server)

  made.canaries.push(...keyFileCanaries('server key', scene.path('server', 'keys.json')))
  for (const { folder } of made.agents)
    made.canaries.push(...keyFileCanaries('agent key', `${folder}/keys.json`))
  const pages = await Promise.all(made.metricsPorts.map(metricsPage))
  const logs = [server, ...made.agents].map(({ daemon }) => daemon.output)
  const writings = new Map([
    ...[...logs, ...pages, ...made.errors].map(
      (text, index) => [`writing ${index}: ${text.slice(0, 200)}`, Buffer.from(text)] as const,
    ),
    ...writingsBelow(scene.path('server')),
    ...made.agents.flatMap(({ folder }) => [...writingsBelow(folder)]),
  ])

  // What must be there is: the search finds things, and the daemons said and kept what they should.
  expect(logs[0]).toContain('type=audit')
  expect(logs[1]).toContain(id)
  expect(pages.every((page) => /^spire_(server|agent)_/m.test(page))).toBe(true)
  expect(
    [...writings].some(([place, text]) => place.includes('/store/') && text.includes(id)),
  ).toBe(true)
  expect(made.canaries.length).toBeGreaterThan(12)
  expect(leaks(writings, made.canaries)).toEqual([])
})

it('the search finds a secret under each spelling', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const canary = keyCanary('key', privateKey)
  const der = privateKey.export({ format: 'der', type: 'pkcs8' })
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const jwk = JSON.stringify(privateKey.export({ format: 'jwk' }))
  const leaked = [
    der,
    der.toString('hex'),
    der.toString('base64'),
    JSON.stringify(der),
    `x${pem.replaceAll('\n', '')}`,
    jwk,
  ].map((text) => Buffer.from(text))
  for (const text of leaked)
    expect(leaks(new Map([['log', text]]), [canary])).toEqual(['key in log'])
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const innocent = publicKey.export({ format: 'der', type: 'spki' })
  expect(leaks(new Map([['log', innocent]]), [canary])).toEqual([])
})
