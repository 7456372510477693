import { nodeAttestorBuiltIns } from '@mini-spire/agent/plugins/node-attestor/built-ins'
import type { NodeAttestation } from '@mini-spire/agent/plugins/node-attestor/node-attestor'
import { X509PopAttestor } from '@mini-spire/agent/plugins/node-attestor/x509-pop/x509-pop'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { readPlugins } from '@mini-spire/runtime/config/read-plugins'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { Turns } from '@mini-spire/runtime/turns'
import { beforeAll, describe, expect, it } from 'vitest'
import { loopbackAddress, makeCsrKit } from '../bench/agents.ts'
import { WireClient } from '../bench/grpc-wire.ts'
import { attestOver } from '../kit/attest-over.ts'
import { ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate } from '../kit/node-certificate.ts'
import {
  type EvidenceKind,
  evidenceKinds,
  type NodeEvidence,
  titled,
} from '../kit/node-evidence.ts'
import { Scene } from '../kit/processes.ts'
import '../kit/redirect-metadata.mjs'

const attempts = 200
const connections = 10
/** Why an attempt loses; http_challenge has one page for the nonce, and those who come first do not find theirs any more. */
const losses =
  /attestation data has already been used to attest an agent|expected nonce was not found/

/** What an agent of this configuration shows, once; each attempt answers challenges in its turn, as one machine would. */
async function beginAttestation({
  agent,
  agentEnvironment,
}: NodeEvidence): Promise<NodeAttestation> {
  // Where a cloud's metadata service is, for an agent in this process.
  process.env['TEST_METADATA_ADDRESS'] = agentEnvironment?.['TEST_METADATA_ADDRESS'] ?? ''
  const [config] = readPlugins(parseConfig(agent))
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const attestor = await nodeAttestorBuiltIns.get(config?.name ?? '')?.(config?.data, { http })
  if (!attestor) throw new Error('there is no such attestor')
  return await attestor.begin({ signal: new AbortController().signal })
}

/** An attestor, and what one machine shows to it. */
interface Crowd {
  readonly title: string
  readonly name: string
  readonly isMissing: () => boolean
  readonly prepare: EvidenceKind['prepare']
  readonly make: (scene: Scene) => Promise<{
    readonly server: string
    readonly serverEnvironment?: Readonly<Record<string, string>>
    readonly begin: () => Promise<NodeAttestation>
  }>
}

const crowds: readonly Crowd[] = [
  ...evidenceKinds.map(
    (kind): Crowd => ({
      title: titled(kind)[0],
      name: kind.name,
      isMissing: kind.isMissing,
      prepare: kind.prepare,
      make: async (scene) => {
        const evidence = await kind.make(scene)
        return { ...evidence, begin: () => beginAttestation(evidence) }
      },
    }),
  ),
  { title: 'x509pop', name: 'x509pop', isMissing: () => false, prepare: undefined, make: x509Pop },
]

async function x509Pop(scene: Scene): ReturnType<Crowd['make']> {
  const { ca, certificate, key } = makeNodeCertificate(scene.folder, 'node')
  const attestor = await X509PopAttestor.create({
    kind: 'files',
    privateKeyPath: key,
    certificatePath: certificate,
    intermediatesPath: '',
  })
  return {
    server: `NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${ca}" } }`,
    begin: () => attestor.begin({ signal: new AbortController().signal }),
  }
}

describe.each(crowds)('one piece of evidence by $title', (kind) => {
  const title = `makes one agent of ${attempts} attempts at once, and answers as many as the rules allow [gate 4]`
  const isMissing = kind.isMissing()
  beforeAll(async () => {
    if (!isMissing) await kind.prepare?.()
  }, 600_000)
  it.skipIf(isMissing)(title, { timeout: 240_000 }, async () => {
    await using scene = new Scene()
    const evidence = await kind.make(scene)
    const server = await ServerDeployment.start(scene, {
      morePlugins: evidence.server,
      settings: 'ratelimit { attestation = false }',
      ...(evidence.serverEnvironment && { env: evidence.serverEnvironment }),
    })
    const { csr } = makeCsrKit(scene.folder, server.trustDomain)
    const shown = await evidence.begin()
    const turns = new Turns()
    const answer = (challenge: Uint8Array): Promise<Uint8Array> =>
      turns.run(() => shown.answer(challenge))
    const clients = await Promise.all(
      Array.from({ length: connections }, (_, index) =>
        WireClient.tls(server.port, { localAddress: loopbackAddress(index) }),
      ),
    )
    const results = await Promise.allSettled(
      Array.from({ length: attempts }, async (_, index) => {
        const client = clients[index % connections]
        if (!client) throw new Error('no connection')
        return await attestOver(client, { type: kind.name, payload: shown.payload, csr, answer })
      }),
    )
    for (const client of clients) client.close()
    await shown.end?.()
    const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
    expect(agents).toHaveLength(1)
    const won = results.filter((one) => one.status === 'fulfilled')
    const lost = results.filter((one) => one.status === 'rejected')
    expect(lost.map(({ reason }) => String(reason)).filter((why) => !losses.test(why))).toEqual([])
    if (agents[0].can_reattest) expect(won).toHaveLength(attempts)
    else expect(won).toHaveLength(1)
  })
})
