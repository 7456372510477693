import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeHost } from './fake-host.ts'

/** What a projected service account token says. */
export interface TokenClaims {
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
  readonly audiences: readonly string[]
}

interface Node {
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
}

interface Pod extends Node {
  readonly nodeName: string
}

/**
 * A stand-in for a cluster's API server: TokenReview over tokens that it signed itself, pods and nodes, over TLS with a
 * test root. Enough for what attests by it, and able to say no.
 */
export class FakeKubernetes implements AsyncDisposable {
  readonly kubeconfig: string
  readonly pods: Map<string, Pod> = new Map<string, Pod>()
  readonly nodes: Map<string, Node> = new Map<string, Node>()
  readonly #key: Buffer = randomBytes(32)
  readonly #folder: string
  readonly #host: FakeHost

  private constructor(folder: string, host: FakeHost, kubeconfig: string) {
    this.#folder = folder
    this.#host = host
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

  /** A token as the kubelet would mount it. */
  token(claims: TokenClaims, expiresInSeconds = 600): string {
    const exp = Math.floor(Date.now() / 1000) + expiresInSeconds
    const body = Buffer.from(JSON.stringify({ ...claims, exp, jti: randomUUID() })).toString(
      'base64url',
    )
    return `${body}.${this.#sign(body)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #sign(body: string): string {
    return createHmac('sha256', this.#key).update(body).digest('base64url')
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
    const [, podName] = /^\/api\/v1\/namespaces\/spire\/pods\/(.+)$/.exec(path) ?? []
    const pod = podName === undefined ? undefined : this.pods.get(podName)
    if (podName !== undefined && pod) return { status: 200, body: podObject(podName, pod) }
    const [, nodeName] = /^\/api\/v1\/nodes\/(.+)$/.exec(path) ?? []
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
    const claims = this.#verify(spec.token)
    const audiences = claims?.audiences.filter((one) => wanted.length === 0 || wanted.includes(one))
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec }
    if (!claims || !audiences || audiences.length === 0) {
      return { ...review, status: { authenticated: false, error: 'invalid bearer token' } }
    }
    const extra = {
      'authentication.kubernetes.io/pod-name': [claims.podName],
      'authentication.kubernetes.io/pod-uid': [claims.podUid],
    }
    const username = `system:serviceaccount:${claims.namespace}:${claims.serviceAccount}`
    return { ...review, status: { authenticated: true, audiences, user: { username, extra } } }
  }

  #verify(token: string): (TokenClaims & { readonly exp: number }) | undefined {
    const [body = '', signature = ''] = token.trim().split('.')
    const [given, right] = [Buffer.from(signature), Buffer.from(this.#sign(body))]
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    return claims.exp * 1000 > Date.now() ? claims : undefined
  }
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

function podObject(name: string, { uid, labels, nodeName }: Pod): object {
  const metadata = { name, namespace: 'spire', uid, labels }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { nodeName },
    status: { hostIP: '10.0.0.7' },
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
