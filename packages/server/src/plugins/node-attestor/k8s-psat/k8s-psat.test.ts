import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { KubernetesRequest } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import { KubernetesError } from '@mini-spire/runtime/kubernetes/kubernetes-error'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { attestationContext } from '../attestation-context.test-kit.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation } from '../node-attestor.ts'
import { K8sPsatAttestor, type PsatCluster } from './k8s-psat.ts'
import { readK8sPsatConfig } from './k8s-psat-config.ts'

const review = {
  status: {
    authenticated: true,
    audiences: ['spire-server'],
    user: {
      username: 'system:serviceaccount:spire:spire-agent',
      extra: {
        'authentication.kubernetes.io/pod-name': ['agent-1'],
        'authentication.kubernetes.io/pod-uid': ['pod-uid'],
      },
    },
  },
}
const pod = {
  metadata: { uid: 'pod-uid', labels: { app: 'agent', secret: 'x' } },
  spec: { nodeName: 'node-1' },
  status: { hostIP: '10.0.0.7' },
}
const node = { metadata: { uid: 'node-uid', labels: { zone: 'a', other: 'b' } } }

type Answers = { readonly review?: unknown; readonly pod?: unknown; readonly node?: unknown }

/** An attestor, and what it asked of the API server. */
function open(
  answers: Answers = {},
  cluster: Partial<PsatCluster> = {},
): { readonly attestor: K8sPsatAttestor; readonly asked: readonly KubernetesRequest[] } {
  const asked: KubernetesRequest[] = []
  const request = async (one: KubernetesRequest): Promise<unknown> => {
    asked.push(one)
    const { path } = one
    const answer = path.includes('tokenreviews')
      ? (answers.review ?? review)
      : path.includes('/pods/')
        ? (answers.pod ?? pod)
        : (answers.node ?? node)
    if (answer instanceof Error) throw answer
    return answer
  }
  const attestor = new K8sPsatAttestor({
    trustDomain: TrustDomain.parse('example.org'),
    clusters: new Map([
      [
        'main',
        {
          serviceAccounts: new Set(['spire:spire-agent']),
          audiences: ['spire-server'],
          nodeLabelKeys: ['zone', 'absent'],
          podLabelKeys: ['app'],
          usesPodUid: false,
          connect: () => Promise.resolve({ request }),
          ...cluster,
        },
      ],
    ]),
  })
  return { attestor, asked }
}

const evidence = { cluster: 'main', token: 'the-token' }

async function attest(
  answers: Answers = {},
  cluster: Partial<PsatCluster> = {},
  payload: unknown = evidence,
): Promise<{ readonly result: NodeAttestation; readonly asked: readonly KubernetesRequest[] }> {
  const { attestor, asked } = open(answers, cluster)
  const bytes = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  return { result: await attestor.attest(bytes, attestationContext()), asked }
}

const status = (change: object): Answers => ({
  review: { status: { ...review.status, ...change } },
})
const user = (change: object): Answers => status({ user: { ...review.status.user, ...change } })

nodeAttestorContract({ describe, it, expect }, 'k8s_psat', () => {
  // The API server knows one token.
  const { attestor } = open({}, { connect: () => Promise.resolve({ request: knowing }) })
  const knowing = async (one: KubernetesRequest): Promise<unknown> => {
    if (one.path.includes('/pods/')) return pod
    if (!one.path.includes('tokenreviews')) return node
    const { token } = (one.body as { readonly spec: { readonly token: string } }).spec
    return token === evidence.token ? review : { status: { authenticated: false } }
  }
  return { attestor, payload: Buffer.from(JSON.stringify(evidence)) }
})

describe('k8s_psat', () => {
  it('attests the node of a pod whose token the API server accepts', async () => {
    const { result, asked } = await attest()
    expect(result).toEqual({
      agentId: 'spiffe://example.org/spire/agent/k8s_psat/main/node-uid',
      selectorValues: [
        'cluster:main',
        'agent_ns:spire',
        'agent_sa:spire-agent',
        'agent_pod_name:agent-1',
        'agent_pod_uid:pod-uid',
        'agent_node_ip:10.0.0.7',
        'agent_node_name:node-1',
        'agent_node_uid:node-uid',
        'agent_node_label:zone:a',
        'agent_pod_label:app:agent',
      ],
      canReattest: true,
    })
    expect(asked.map(({ path }) => path)).toEqual([
      '/apis/authentication.k8s.io/v1/tokenreviews',
      '/api/v1/namespaces/spire/pods/agent-1',
      '/api/v1/nodes/node-1',
    ])
    expect(asked[0]?.body).toMatchObject({
      spec: { token: 'the-token', audiences: ['spire-server'] },
    })
  })

  it('names the agent by its pod where told', async () => {
    const { result } = await attest({}, { usesPodUid: true })
    expect(result.agentId).toBe('spiffe://example.org/spire/agent/k8s_psat/main/pod/pod-uid')
  })

  it('asks for no audience where there is none', async () => {
    const { asked } = await attest(status({ audiences: undefined }), { audiences: [] })
    expect(asked[0]?.body).toEqual(expect.objectContaining({ spec: { token: 'the-token' } }))
  })

  it.each([
    ['', 'missing attestation payload'],
    ['{', 'failed to unmarshal data payload: '],
    ['{"token":5}', 'failed to unmarshal data payload: '],
    [{ token: 'x' }, 'missing cluster in attestation data'],
    [{ cluster: 'main' }, 'missing token in attestation data'],
    [{ cluster: 'other', token: 'x' }, 'not configured for cluster "other"'],
  ])('cannot read %j', async (payload, message) => {
    await expect(attest({}, {}, payload)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_EVIDENCE_MALFORMED',
        message: expect.stringContaining(message),
      }),
    )
  })

  it.each([
    [
      'not authenticated',
      status({ authenticated: false }),
      'token not authenticated according to TokenReview API for cluster "main"',
    ],
    ['truthy, not true', status({ authenticated: 'yes' }), 'token not authenticated'],
    [
      'of nobody, as API servers answer for what is no token of theirs',
      { review: { status: { user: {} } } },
      'token not authenticated according to TokenReview API for cluster "main"',
    ],
    ['no answer worth the name', { review: [] }, 'token not authenticated'],
    [
      'another account',
      user({ username: 'system:serviceaccount:spire:other' }),
      '"spire:other" is not an allowed service account for cluster "main"',
    ],
    [
      'another namespace',
      user({ username: 'system:serviceaccount:spire2:spire-agent' }),
      'is not an allowed service account',
    ],
    [
      'a pod made anew',
      { pod: { ...pod, metadata: { uid: 'second' } } },
      'pod UID mismatch for pod "agent-1" in cluster "main": token bound to pod UID "pod-uid"',
    ],
    ['a pod without UID', { pod: {} }, 'pod UID mismatch'],
  ])('refuses a token: %s', async (_, answers, message) => {
    await expect(attest(answers)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_EVIDENCE_REFUSED',
        message: expect.stringContaining(message),
      }),
    )
  })

  const where = 'for cluster "main"'
  it.each([
    [
      'an error',
      status({ error: 'bad token' }),
      `unable to validate token with TokenReview API ${where}: token review API response contains an error: bad token`,
    ],
    [
      'another audience',
      status({ audiences: ['other'] }),
      'token review API did not validate audience: wanted one of ["spire-server"] but got ["other"]',
    ],
    ['no audience', status({ audiences: undefined }), 'wanted one of ["spire-server"] but got []'],
    [
      'no user',
      status({ user: undefined }),
      `fail to parse username from token review status ${where}: empty username`,
    ],
    ['a person', user({ username: 'alice' }), 'unexpected username format: alice'],
    ['five parts', user({ username: 'a:b:c:d:e' }), 'unexpected username format: a:b:c:d:e'],
    ['an empty namespace', user({ username: 'a:b::d' }), 'missing namespace'],
    ['an empty account', user({ username: 'a:b:c:' }), 'missing service account name'],
    [
      'no pod',
      user({ extra: {} }),
      `fail to get pod name from token review status ${where}: missing pod name`,
    ],
    [
      'two pods',
      user({
        extra: { ...review.status.user.extra, 'authentication.kubernetes.io/pod-uid': ['a', 'b'] },
      }),
      `fail to get pod UID from token review status ${where}: expected 1 UID but got: 2`,
    ],
    [
      'a nameless pod',
      user({
        extra: { ...review.status.user.extra, 'authentication.kubernetes.io/pod-name': [''] },
      }),
      'pod name is empty',
    ],
    [
      'a pod that is gone',
      { pod: new KubernetesError('ERR_KUBERNETES_REFUSED', 'pods "agent-1" not found') },
      `fail to get pod from k8s API server ${where}: unable to query pods API: pods "agent-1" not found`,
    ],
    [
      'a node that is gone',
      { node: new Error('away') },
      `fail to get node from k8s API server ${where}: unable to query nodes API: away`,
    ],
    [
      'a pod without a node',
      { pod: { ...pod, spec: {} } },
      `fail to get node from k8s API server ${where}: empty node name`,
    ],
    ['a node without UID', { node: { metadata: {} } }, `node UID is empty ${where}`],
    [
      'no API server',
      { review: new Error('refused') },
      `unable to validate token with TokenReview API ${where}: unable to query token review API: refused`,
    ],
    ['a UID that is no path', { node: { metadata: { uid: '../x' } } }, 'failed to create agent ID'],
  ])('cannot decide with %s', async (_, answers, message) => {
    await expect(attest(answers)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_FAILED',
        message: expect.stringContaining(message),
      }),
    )
  })

  it('says so when the cluster cannot be reached as configured', async () => {
    const connect = () => Promise.reject(new Error('no such file'))
    await expect(attest({}, { connect })).rejects.toThrow(
      `unable to validate token with TokenReview API ${where}: unable to get clientset: unable to create client config: no such file`,
    )
  })

  it('takes a token that is for the server and for others', async () => {
    const { result } = await attest(status({ audiences: ['vault', 'spire-server'] }))
    expect(result.agentId).toMatch(/node-uid$/)
    await expect(
      attest(status({ audiences: ['vault'] }), { audiences: ['spire-server', 'vault'] }),
    ).resolves.toBeDefined()
  })

  it('never repeats the token', async () => {
    for (const answers of [status({ authenticated: false }), { review: new Error('x') }]) {
      await expect(attest(answers)).rejects.not.toThrow('the-token')
    }
  })

  it('asks for names as they are, whatever they hold', async () => {
    const name = '../../secrets/x'
    const extra = { ...review.status.user.extra, 'authentication.kubernetes.io/pod-name': [name] }
    const { asked } = await attest(user({ extra }))
    expect(asked[1]?.path).toBe('/api/v1/namespaces/spire/pods/..%2F..%2Fsecrets%2Fx')
  })
})

describe('the configuration of k8s_psat', () => {
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const read = (text: string): ReadonlyMap<string, PsatCluster> =>
    readK8sPsatConfig(parseConfig(text), { http, clock: systemClock, environment: {} }).clusters

  it('has SPIRE’s defaults, and may be empty', () => {
    expect(read('').size).toBe(0)
    const text = 'clusters = { "a" = { service_account_allow_list = ["ns:sa"] } }'
    expect(read(text).get('a')).toMatchObject({ audiences: ['spire-server'], usesPodUid: false })
    const open = 'clusters = { a = { service_account_allow_list = ["n:s"] audience = [] } }'
    expect(read(open).get('a')?.audiences).toEqual([])
  })

  it('needs an account for each cluster', () => {
    expect(() => read('clusters = { "a" = {} }')).toThrow(
      'cluster "a" configuration must have at least one service account allowed',
    )
  })

  it('says when the cluster cannot be reached, at the attestation', async () => {
    const cluster = read('clusters = { a = { service_account_allow_list = ["n:s"] } }').get('a')
    await expect(cluster?.connect()).rejects.toThrow('unable to load in-cluster configuration')
  })
})
