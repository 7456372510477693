import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { answerChallenge } from '@mini-spire/agent/plugins/node-attestor/x509-pop/answer'
import { makeTestCertificate, testName } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { attestOver } from '../../kit/attest-over.ts'
import { ServerDeployment } from '../../kit/deployment.ts'
import { type Programs, Scene } from '../../kit/processes.ts'
import { loopbackAddress, makeCsrKit } from '../agents.ts'
import { type Benchmark, cpuFigure, type Figure } from '../bench.ts'
import { WireClient } from '../grpc-wire.ts'
import { measure } from '../measure.ts'

const agents = 1000
/** Attested before anything is measured, so that little of the compiler's work counts: after 300 a third of the CPU was still its. */
const warmUps = 1500
const workers = 16
const dayMs = 86_400_000

/** A fleet that arrives: each agent attests with a certificate of its own, over a connection of its own, from its own address. */
export const attestation: Benchmark = {
  name: 'attestation',
  async *run(programs: Programs): AsyncGenerator<Figure> {
    await using scene = new Scene()
    const { root, chain, key } = makeFleet(scene.path('x509pop-root.pem'))
    const server = await ServerDeployment.start(scene, {
      program: programs.server,
      logLevel: 'INFO',
      morePlugins: `NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${root}" } }`,
    })
    const { csr } = makeCsrKit(scene.folder, server.trustDomain)
    let attested = 0
    const attest = async (): Promise<void> => {
      const index = attested++
      const localAddress = loopbackAddress(index)
      const client = await WireClient.tls(server.port, { localAddress })
      const certificates = [chain(index).toString('base64')]
      await attestOver(client, {
        type: 'x509pop',
        payload: Buffer.from(JSON.stringify({ certificates })),
        csr,
        answer: async (challenge) => answerChallenge(key, challenge),
      })
      client.close()
    }
    const pid = server.daemon.process.pid ?? 0
    const seconds = Number.POSITIVE_INFINITY
    await measure(pid, attest, { workers, seconds, maxCalls: warmUps })
    const measured = await measure(pid, attest, { workers, seconds, maxCalls: agents })
    yield cpuFigure('x509pop: attestation of 1,000 agents, each', measured)
    const { count } = JSON.parse(server.must('agent', 'count', '-output', 'json'))
    if (count !== attested) throw new Error(`${count} of ${attested} agents are known`)
  },
}

/** A root that the server trusts, and as many certificates below it as are asked for. They share a key: making keys is not measured. */
function makeFleet(path: string): {
  readonly root: string
  readonly chain: (index: number) => Buffer
  readonly key: ReturnType<typeof generateKeyPairSync>['privateKey']
} {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { publicKey, privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = { name: testName('fleet'), privateKey: authority.privateKey }
  const now = Date.now()
  const life = { notBefore: new Date(now - dayMs), notAfter: new Date(now + dayMs) }
  const root = makeTestCertificate(issuer, {
    publicKey: authority.publicKey,
    commonName: 'fleet',
    isCa: true,
    keyUsage: ['keyCertSign'],
    ...life,
  })
  writeFileSync(path, pemEncode('CERTIFICATE', root))
  const chain = (index: number): Buffer =>
    makeTestCertificate(issuer, {
      publicKey,
      commonName: `node-${index}`,
      keyUsage: ['digitalSignature'],
      ...life,
    })
  return { root: path, chain, key }
}
