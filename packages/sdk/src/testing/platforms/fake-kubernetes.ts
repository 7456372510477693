import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeHost } from './fake-host.ts'
import {
  makeToken,
  makeTokenIssuer,
  readToken,
  type TokenIssuer,
  type WrongToken,
  wrongTokens,
} from './test-token.ts'

/** What a projected service account token says. */
export interface ServiceAccountClaims {
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
  readonly audiences: readonly string[]
}

/** A node of the cluster. */
export interface KubernetesNode {
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
}

/** A pod of the cluster. */
export interface KubernetesPod extends KubernetesNode {
  readonly nodeName: string
  /** @default 10.0.0.7 */
  readonly hostIp?: string
}

/** What can be wrong with a service account token. */
export type WrongServiceAccountToken = WrongToken | 'without-pod' | 'of-a-user'

/** Every way in which {@link FakeKubernetes.token} can go wrong. */
export const wrongServiceAccountTokens: readonly WrongServiceAccountToken[] = [
  ...wrongTokens,
  'without-pod',
  'of-a-user',
]

/**
 * A cluster's API server: TokenReview over tokens that it signed itself, pods and nodes, over TLS with a test root. Enough
 * for what attests by it, and able to say no: tokens can be wrong, pods and nodes can go, and the host can misbehave.
 *
 * @example
 * await using kubernetes = await FakeKubernetes.start()
 * kubernetes.nodes.set('node-1', { uid: 'node-uid', labels: {} })
 * kubernetes.pods.set('spire/agent-1', { uid: 'pod-uid', labels: {}, nodeName: 'node-1' })
 */
export class FakeKubernetes implements AsyncDisposable {
  /** Path of a kubeconfig that leads here. */
  readonly kubeconfig: string
  readonly host: FakeHost
  /** By `namespace/name`. */
  readonly pods: Map<string, KubernetesPod> = new Map<string, KubernetesPod>()
  readonly nodes: Map<string, KubernetesNode> = new Map<string, KubernetesNode>()
  readonly #issuer: TokenIssuer = makeTokenIssuer('cluster')
  readonly #folder: string

  private constructor(folder: string, host: FakeHost, kubeconfig: string) {
    this.#folder = folder
    this.host = host
    this.kubeconfig = kubeconfig
  }

  /** Starts it and writes the kubeconfig that leads to it. */
  static async start(): Promise<FakeKubernetes> {
    let serve: RequestListener = () => undefined
    const { host, root } = await FakeHost.https('localhost', (...all) => serve(...all))
    const folder = await mkdtemp(join(tmpdir(), 'fake-kubernetes-'))
    const kubeconfig = join(folder, 'kubeconfig')
    await writeFile(kubeconfig, kubeconfigFor(`https://localhost:${host.port}`, root))
    const made = new FakeKubernetes(folder, host, kubeconfig)
    serve = (request, response) => made.#serve(request, response)
    return made
  }

  /** A token as the kubelet would mount it, or with exactly one thing wrong. */
  token(claims: ServiceAccountClaims, wrong?: WrongServiceAccountToken): string {
    const { namespace, serviceAccount, podName, podUid, audiences } = claims
    const pod = wrong === 'without-pod' ? undefined : { name: podName, uid: podUid }
    const account = `system:serviceaccount:${namespace}:${serviceAccount}`
    const body = {
      iss: 'https://kubernetes.default.svc.cluster.local',
      aud: audiences,
      jti: randomUUID(),
      sub: wrong === 'of-a-user' ? serviceAccount : account,
      'kubernetes.io': { namespace, pod, serviceaccount: { name: serviceAccount } },
    }
    const isOwnKind = wrong === 'without-pod' || wrong === 'of-a-user'
    return makeToken(this.#issuer, body, isOwnKind ? undefined : wrong)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { status, body } = this.#answer(request.url ?? '', Buffer.concat(pieces))
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  }

  #answer(url: string, body: Buffer): { readonly status: number; readonly body: object } {
    const path = url.split('?', 1)[0] ?? ''
    if (path.endsWith('/tokenreviews')) return { status: 201, body: this.#review(body) }
    const [, namespace, podName] =
      /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)$/.exec(path) ?? []
    const pod = this.pods.get(`${namespace}/${podName}`)
    if (namespace && podName && pod)
      return { status: 200, body: podObject(namespace, podName, pod) }
    const [, nodeName] = /^\/api\/v1\/nodes\/([^/]+)$/.exec(path) ?? []
    const node = nodeName === undefined ? undefined : this.nodes.get(nodeName)
    if (nodeName !== undefined && node) {
      const metadata = { name: nodeName, uid: node.uid, labels: node.labels }
      return { status: 200, body: { apiVersion: 'v1', kind: 'Node', metadata } }
    }
    const message = `${path} not found`
    const failure = { apiVersion: 'v1', kind: 'Status', status: 'Failure', message, code: 404 }
    return { status: 404, body: { ...failure, reason: 'NotFound' } }
  }

  #review(body: Buffer): object {
    const spec = readSpec(body)
    const wanted = spec.audiences ?? []
    const claims = readToken(this.#issuer, spec.token) as TokenClaims | undefined
    const audiences = [claims?.aud ?? []]
      .flat()
      .filter((one) => wanted.length === 0 || wanted.includes(one))
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec }
    if (!claims || audiences.length === 0) {
      return { ...review, status: { authenticated: false, error: 'invalid bearer token' } }
    }
    const { pod } = claims['kubernetes.io']
    const extra = pod && {
      'authentication.kubernetes.io/pod-name': [pod.name],
      'authentication.kubernetes.io/pod-uid': [pod.uid],
    }
    const user = { username: claims.sub, extra }
    return { ...review, status: { authenticated: true, audiences, user } }
  }
}

interface TokenClaims {
  readonly aud: string | readonly string[]
  readonly sub: string
  readonly 'kubernetes.io': { readonly pod?: { readonly name: string; readonly uid: string } }
}

interface ReviewSpec {
  readonly token: string
  readonly audiences?: readonly string[]
}

/** The `spec` of a TokenReview: clients in Go send protobuf, in an envelope of Kubernetes' own. */
function readSpec(body: Buffer): ReviewSpec {
  if (!body.subarray(0, 4).equals(Buffer.from('k8s\0'))) return JSON.parse(body.toString()).spec
  const [raw = Buffer.alloc(0)] = fieldsOf(body.subarray(4), 2)
  const [spec = Buffer.alloc(0)] = fieldsOf(raw, 2)
  const audiences = fieldsOf(spec, 2).map(String)
  return { token: String(fieldsOf(spec, 1)[0] ?? ''), audiences }
}

/** The length-delimited fields of one number; the messages read here have no others. */
function fieldsOf(message: Buffer, wanted: number): readonly Buffer[] {
  const found: Buffer[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const field = varint() >> 3
    const length = varint()
    if (field === wanted) found.push(message.subarray(at, at + length))
    at += length
  }
  return found
}

function podObject(namespace: string, name: string, pod: KubernetesPod): object {
  const { uid, labels, nodeName, hostIp = '10.0.0.7' } = pod
  const metadata = { name, namespace, uid, labels }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { nodeName },
    status: { hostIP: hostIp },
  }
}

function kubeconfigFor(server: string, root: string): string {
  const authority = Buffer.from(root).toString('base64')
  return `apiVersion: v1
kind: Config
current-context: test
contexts: [{ name: test, context: { cluster: test, user: test } }]
clusters: [{ name: test, cluster: { server: "${server}", certificate-authority-data: ${authority} } }]
users: [{ name: test, user: { token: server-token } }]
`
}
