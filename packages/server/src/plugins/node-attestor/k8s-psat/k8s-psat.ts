import { quoteGo } from '@mini-spire/runtime/go-quote'
import { listIn, objectIn, stringIn, stringMap, stringsIn } from '@mini-spire/runtime/json-fields'
import type { KubernetesRequest } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { failed, failing, malformed, refused, wrapping } from '../attestor-errors.ts'
import { GoJsonObject } from '../go-json.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'

const name = 'k8s_psat'
const podNameKey = 'authentication.kubernetes.io/pod-name'
const podUidKey = 'authentication.kubernetes.io/pod-uid'

/** One cluster whose nodes may attest. */
export interface PsatCluster {
  /** `<namespace>:<service account>` */
  readonly serviceAccounts: ReadonlySet<string>
  /** What the token must be for; empty: whatever the API server takes. */
  readonly audiences: readonly string[]
  readonly nodeLabelKeys: readonly string[]
  readonly podLabelKeys: readonly string[]
  readonly usesPodUid: boolean
  /** Asks the cluster's API server. Made anew for each attestation: its credentials change. */
  readonly connect: () => Promise<{ request(request: KubernetesRequest): Promise<unknown> }>
}

/** Options of {@link K8sPsatAttestor}: its `plugin_data`. */
export interface K8sPsatOptions {
  readonly trustDomain: TrustDomain
  readonly clusters: ReadonlyMap<string, PsatCluster>
}

/** What the API server says of a token. */
interface Review {
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
}

/**
 * Attests a node of a Kubernetes cluster by the projected service account token of the agent's pod, which the cluster's
 * API server reviews. The pod must still be the one that the token was made for.
 */
export class K8sPsatAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: K8sPsatOptions

  constructor(options: K8sPsatOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const { clusterName, token } = readPayload(payload)
    const cluster = this.#options.clusters.get(clusterName)
    if (!cluster) throw malformed(`not configured for cluster ${quoteGo(clusterName)}`)
    const where = `cluster ${quoteGo(clusterName)}`
    const ask = await connect(cluster, where, context.signal)
    const review = await this.#review(cluster, where, token, ask)
    const { namespace, podName } = review
    const [folder, name] = [namespace, podName].map(encodeURIComponent)
    const pod = await failing(`fail to get pod from k8s API server for ${where}`, () =>
      ask('pods', { path: `/api/v1/namespaces/${folder}/pods/${name}` }),
    )
    const livePodUid = stringIn(objectIn(pod, 'metadata'), 'uid')
    if (livePodUid !== review.podUid) {
      const bound = `token bound to pod UID ${quoteGo(review.podUid)}`
      throw refused(`pod UID mismatch for pod ${quoteGo(podName)} in ${where}: ${bound}`)
    }
    const nodeName = stringIn(objectIn(pod, 'spec'), 'nodeName')
    const node = await failing(`fail to get node from k8s API server for ${where}`, async () => {
      // A pod that no node has been chosen for; without a name, the API would list all nodes.
      if (nodeName === '') throw new Error('empty node name')
      return await ask('nodes', { path: `/api/v1/nodes/${encodeURIComponent(nodeName)}` })
    })
    const nodeUid = stringIn(objectIn(node, 'metadata'), 'uid')
    if (nodeUid === '') throw failed(`node UID is empty for ${where}`)
    const path = cluster.usesPodUid ? `pod/${review.podUid}` : nodeUid
    const agentId = wrapping(failed, 'failed to create agent ID', () =>
      SpiffeId.fromPath(this.#options.trustDomain, `/spire/agent/k8s_psat/${clusterName}/${path}`),
    )
    const found = { clusterName, cluster, review, pod, node, nodeName, nodeUid }
    return { agentId: String(agentId), selectorValues: selectorValues(found), canReattest: true }
  }

  async #review(cluster: PsatCluster, where: string, token: string, ask: Ask): Promise<Review> {
    const { audiences } = cluster
    const status = await failing(`unable to validate token with TokenReview API for ${where}`, () =>
      reviewToken(token, audiences, ask),
    )
    if (!isAuthenticated(status)) {
      throw refused(`token not authenticated according to TokenReview API for ${where}`)
    }
    const user = objectIn(status, 'user')
    const { namespace, serviceAccount } = wrapping(
      failed,
      `fail to parse username from token review status for ${where}`,
      () => readUsername(stringIn(user, 'username')),
    )
    const account = `${namespace}:${serviceAccount}`
    if (!cluster.serviceAccounts.has(account)) {
      throw refused(`${quoteGo(account)} is not an allowed service account for ${where}`)
    }
    const extra = objectIn(user, 'extra')
    const only = (what: 'name' | 'UID', key: string): string =>
      wrapping(failed, `fail to get pod ${what} from token review status for ${where}`, () =>
        onlyValue(extra, key, what),
      )
    const podName = only('name', podNameKey)
    return { namespace, serviceAccount, podName, podUid: only('UID', podUidKey) }
  }
}

function readPayload(payload: Uint8Array): {
  readonly clusterName: string
  readonly token: string
} {
  if (payload.length === 0) throw malformed('missing attestation payload')
  const data = wrapping(malformed, 'failed to unmarshal data payload', () => {
    const object = GoJsonObject.parse(payload)
    return { clusterName: object.string('cluster'), token: object.string('token') }
  })
  if (data.clusterName === '') throw malformed('missing cluster in attestation data')
  if (data.token === '') throw malformed('missing token in attestation data')
  return data
}

/** Asks the API server, and says which of its APIs it was that failed. */
type Ask = (api: 'token review' | 'pods' | 'nodes', request: KubernetesRequest) => Promise<unknown>

async function connect(cluster: PsatCluster, where: string, signal: AbortSignal): Promise<Ask> {
  const client = await failing(
    `unable to validate token with TokenReview API for ${where}: unable to get clientset: unable to create client config`,
    cluster.connect,
  )
  return (api, request) =>
    failing(`unable to query ${api} API`, () => client.request({ ...request, signal }))
}

async function reviewToken(token: string, audiences: readonly string[], ask: Ask): Promise<object> {
  const answer = await ask('token review', {
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    method: 'POST',
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, ...(audiences.length > 0 && { audiences }) },
    },
  })
  const status = objectIn(answer, 'status')
  const error = stringIn(status, 'error')
  if (error !== '') throw new Error(`token review API response contains an error: ${error}`)
  // Who is not authenticated is not for anybody, and is refused as such.
  if (!isAuthenticated(status)) return status
  const got = stringsIn(status, 'audiences')
  if (audiences.length > 0 && !got.some((one) => audiences.includes(one))) {
    const list = (all: readonly string[]): string => `[${all.map(quoteGo).join(' ')}]`
    throw new Error(
      `token review API did not validate audience: wanted one of ${list(audiences)} but got ${list(got)}`,
    )
  }
  return status
}

function isAuthenticated(status: object): boolean {
  return Reflect.get(status, 'authenticated') === true
}

function readUsername(username: string): {
  readonly namespace: string
  readonly serviceAccount: string
} {
  if (username === '') throw new Error('empty username')
  const [, , namespace, serviceAccount, ...more] = username.split(':')
  if (namespace === undefined || serviceAccount === undefined || more.length > 0) {
    throw new Error(`unexpected username format: ${username}`)
  }
  if (namespace === '') throw new Error('missing namespace')
  if (serviceAccount === '') throw new Error('missing service account name')
  return { namespace, serviceAccount }
}

function onlyValue(extra: object, key: string, what: 'name' | 'UID'): string {
  if (!Object.hasOwn(extra, key)) throw new Error(`missing pod ${what}`)
  const values = listIn(extra, key)
  if (values.length !== 1) throw new Error(`expected 1 ${what} but got: ${values.length}`)
  const [value] = values
  if (typeof value !== 'string' || value === '') throw new Error(`pod ${what} is empty`)
  return value
}

function selectorValues(found: {
  readonly clusterName: string
  readonly cluster: PsatCluster
  readonly review: Review
  readonly pod: unknown
  readonly node: unknown
  readonly nodeName: string
  readonly nodeUid: string
}): readonly string[] {
  const { clusterName, cluster, review, pod, node, nodeName, nodeUid } = found
  const labels = (prefix: string, object: unknown, keys: readonly string[]): readonly string[] => {
    const all = stringMap(objectIn(objectIn(object, 'metadata'), 'labels'))
    return keys.flatMap((key) => {
      const value = all.get(key)
      return value === undefined ? [] : [`${prefix}:${key}:${value}`]
    })
  }
  return [
    `cluster:${clusterName}`,
    `agent_ns:${review.namespace}`,
    `agent_sa:${review.serviceAccount}`,
    `agent_pod_name:${review.podName}`,
    `agent_pod_uid:${review.podUid}`,
    `agent_node_ip:${stringIn(objectIn(pod, 'status'), 'hostIP')}`,
    `agent_node_name:${nodeName}`,
    `agent_node_uid:${nodeUid}`,
    ...labels('agent_node_label', node, cluster.nodeLabelKeys),
    ...labels('agent_pod_label', pod, cluster.podLabelKeys),
  ]
}
