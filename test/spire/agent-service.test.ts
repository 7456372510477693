import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { answerChallenge } from '@mini-spire/agent/plugins/node-attestor/x509-pop/answer'
import {
  type ClientOf,
  createClient,
  GrpcError,
  openSvidChannel,
} from '@mini-spire/runtime/grpc/client'
import {
  AgentService,
  type AttestAgentRequest,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import type { Agent } from '@mini-spire/runtime/proto/spire/api/types/agent'
import type { X509SVID } from '@mini-spire/runtime/proto/spire/api/types/x509svid'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { describe, it } from 'vitest'
import { makeNodeCertificate } from '../kit/node-certificate.ts'
import type { Scene } from '../kit/processes.ts'
import { type AgentRequest, AgentRequests, type Attestation } from './agent-requests.ts'
import { isSpireMissing } from './programs.ts'
import { allPages, type Compared, expectSameAnswers, requestCount, seed } from './same-answers.ts'

const count = requestCount(3000)
type AgentClient = ClientOf<typeof AgentService>

/** What both servers are shown: certificates of nodes, and the key that all agents' SVIDs are for. */
class Evidence {
  readonly nodes: readonly { readonly certificate: X509Certificate; readonly key: KeyObject }[]
  readonly authorities: readonly string[]
  readonly key: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  constructor(scene: Scene) {
    const made = ['one', 'two', 'three'].map((name) => makeNodeCertificate(scene.folder, name))
    this.authorities = made.map(({ ca }) => ca)
    this.nodes = made.map(({ certificate, key }) => ({
      certificate: new X509Certificate(readFileSync(certificate)),
      key: createPrivateKey(readFileSync(key)),
    }))
  }

  /** The IDs that the nodes get, and a selector of each. */
  get paths(): readonly string[] {
    return this.nodes.map(
      ({ certificate }) =>
        `/spire/agent/x509pop/${certificate.fingerprint.replaceAll(':', '').toLowerCase()}`,
    )
  }
}

/** Puts requests to one server, over its socket and, where an agent asks, over TCP with the SVID it got there. */
class Asker {
  readonly #one: Compared
  readonly #client: AgentClient
  readonly #evidence: Evidence
  readonly #csr: Uint8Array
  readonly #svids = new Map<string, X509SVID>()

  constructor(one: Compared, evidence: Evidence, csr: Uint8Array) {
    this.#one = one
    this.#client = createClient(AgentService, one.channel)
    this.#evidence = evidence
    this.#csr = csr
  }

  async ask(request: AgentRequest): Promise<unknown> {
    switch (request.kind) {
      case 'list':
        return await this.#list(request)
      case 'count':
        return await this.#client.countAgents({ filter: request.filter })
      case 'get':
        return comparable(await this.#client.getAgent({ id: request.id, outputMask: request.mask }))
      case 'delete':
        return await this.#client.deleteAgent({ id: request.id })
      case 'ban':
        return await this.#client.banAgent({ id: request.id })
      case 'token': {
        const { value, expiresAt } = await this.#client.createJoinToken(request)
        return { value, isLater: expiresAt > 1_700_000_000n }
      }
      case 'attest':
        return await this.#attest(request)
      default:
        return await this.#askAsAgent(request).catch((error: unknown) => {
          // An eviction ends connections at once; one that was opened in that moment is opened again.
          if (error instanceof GrpcError && error.statusCode === 14)
            return this.#askAsAgent(request)
          throw error
        })
    }
  }

  async #list({
    filter,
    mask,
    pageSize,
    pageToken,
  }: AgentRequest & { readonly kind: 'list' }): Promise<unknown> {
    const agents = await allPages({ pageSize, pageToken }, async (token) => {
      const request = { filter, outputMask: mask, pageSize, pageToken: token }
      const page = await this.#client.listAgents(request)
      return { items: page.agents, token: page.nextPageToken }
    })
    return agents.map(comparable)
  }

  async #attest(attestation: Attestation): Promise<unknown> {
    const challenges: Uint8Array[] = []
    const waiting: (() => void)[] = []
    const evidence = this.#evidence
    const first = this.#firstMessage(attestation)
    const requests = (async function* (): AsyncGenerator<AttestAgentRequest> {
      yield first
      await new Promise<void>((resolve) => waiting.push(resolve))
      const [challenge] = challenges
      if (!challenge) return
      const challengeResponse = answerOf(attestation, challenge, evidence)
      yield { step: { $case: 'challengeResponse', challengeResponse } }
    })()
    try {
      for await (const { step } of this.#client.attestAgent(requests)) {
        if (step?.$case === 'challenge') {
          challenges.push(step.challenge)
          for (const go of waiting) go()
        } else if (step?.result.svid) {
          const { svid, reattestable } = step.result
          this.#svids.set(svid.id?.path ?? '', svid)
          return { id: svid.id, certificates: svid.certChain.length, reattestable }
        }
      }
      return 'ended'
    } finally {
      for (const go of waiting) go()
    }
  }

  #firstMessage({ without, type, payload, csr }: Attestation): AttestAgentRequest {
    if (without.includes('params')) return { step: undefined }
    const node = type === 'x509pop' ? this.#evidence.nodes[Number(payload)] : undefined
    const shown = node
      ? JSON.stringify({ certificates: [node.certificate.raw.toString('base64')] })
      : payload
    const data = {
      type: without.includes('type') ? '' : type,
      payload: without.includes('payload') ? new Uint8Array() : Buffer.from(shown),
    }
    const params = { csr: without.includes('csr') ? new Uint8Array() : this.#csrOf(csr) }
    return {
      step: {
        $case: 'params',
        params: {
          data: without.includes('data') ? undefined : data,
          params: without.includes('svid') ? undefined : params,
        },
      },
    }
  }

  async #askAsAgent(
    request: AgentRequest & { readonly kind: 'renew' | 'status' | 'forbidden' },
  ): Promise<unknown> {
    const svid = this.#svids.get(request.agent)
    if (!svid) return 'never attested'
    using channel = openSvidChannel({
      address: '127.0.0.1',
      port: this.#one.server.port,
      svid: () => ({ key: this.#evidence.key, chain: svid.certChain }),
      verifyServer: () => {},
    })
    const client = createClient(AgentService, channel)
    if (request.kind === 'renew') {
      const { csr } = request
      const params = csr === 'none' ? undefined : { csr: this.#csrOf(csr) }
      const renewed = await client.renewAgent({ params })
      if (renewed.svid) this.#svids.set(request.agent, renewed.svid)
      return { id: renewed.svid?.id, certificates: renewed.svid?.certChain.length }
    }
    if (request.kind === 'status')
      return await client.postStatus({ currentBundleSerial: 0n, agentVersion: request.version })
    const id = { trustDomain: 'example.org', path: request.agent }
    if (request.method === 'ban') return await client.banAgent({ id })
    if (request.method === 'list')
      return await client.listAgents({
        filter: undefined,
        outputMask: undefined,
        pageSize: 0,
        pageToken: '',
      })
    return await client.createJoinToken({ ttl: 60, token: '', agentId: undefined })
  }

  #csrOf(kind: 'good' | 'garbage' | 'empty'): Uint8Array {
    if (kind === 'good') return this.#csr
    return kind === 'empty' ? new Uint8Array() : Buffer.from('no request')
  }
}

function answerOf(
  { answer, payload }: Attestation,
  challenge: Uint8Array,
  evidence: Evidence,
): Uint8Array {
  const node = evidence.nodes[Number(payload)]
  if (answer === 'empty' || !node) return new Uint8Array()
  if (answer === 'garbage')
    return Buffer.from('{"ecdsa_signature":{"nonce":"AA==","r":"AA==","s":"AA=="}}')
  return answerChallenge(node.key, challenge)
}

/** What each server chooses for itself is taken out: serial numbers and the moment of expiry. */
function comparable(agent: Agent): unknown {
  return {
    ...agent,
    x509svidSerialNumber: agent.x509svidSerialNumber !== '',
    x509svidExpiresAt: agent.x509svidExpiresAt > 0n,
  }
}

describe.skipIf(isSpireMissing())('the Agent service', () => {
  it(`answers ${count} generated requests as SPIRE's does (SEED=${seed})`, async () => {
    let evidence: Evidence | undefined
    await expectSameAnswers<AgentRequest>({
      count,
      options: (scene) => {
        evidence = new Evidence(scene)
        const paths = evidence.authorities.map((path) => `"${path}"`).join(', ')
        return {
          settings: 'ratelimit { attestation = false }',
          morePlugins: `NodeAttestor "x509pop" { plugin_data { ca_bundle_paths = [${paths}] } }`,
        }
      },
      source: (chance) => {
        const paths = evidence?.paths ?? []
        const selectors = ['one', 'two', 'three'].map((name) => ({
          type: 'x509pop',
          value: `subject:cn:${name}`,
        }))
        const requests = new AgentRequests(chance, paths, selectors)
        return () => requests.next()
      },
      open: async (one) => {
        if (!evidence) throw new Error('made with the options')
        const csr = await buildCsr({ key: evidence.key, subject: {} })
        const asker = new Asker(one, evidence, csr)
        return (request) => asker.ask(request)
      },
    })
  })
})
