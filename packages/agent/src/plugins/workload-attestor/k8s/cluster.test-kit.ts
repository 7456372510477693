import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An object of the cluster, as its API shows it. */
export interface ClusterItem {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly ownerReferences?: readonly object[]
  }
  readonly [more: string]: unknown
}

/** A kind of objects that the cluster serves. */
export interface ClusterKind {
  /** Empty: Kubernetes' own. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  readonly items: readonly ClusterItem[]
}

const metadata = { apiVersion: 'meta.k8s.io/v1' }

/**
 * The part of a Kubernetes API that finds objects and asks who may act for them: discovery, get and list, whole or as metadata,
 * in pages, and access reviews. Access is refused to an object with `forbidden` in its name.
 */
export class FakeCluster {
  readonly kinds: ClusterKind[]
  /** Methods and paths, in order. */
  readonly asked: string[] = []
  /** Bodies of access reviews. */
  readonly reviews: string[] = []
  /** Answers every request with this status. */
  failsWith: number | undefined
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  constructor(kinds: readonly ClusterKind[]) {
    this.kinds = [...kinds]
  }

  /** Starts to listen; returns the URL. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url ?? '/', 'http://fake')
    this.asked.push(`${request.method} ${url.pathname}${url.search}`)
    const wantsMetadata = (request.headers.accept ?? '').includes('PartialObjectMetadata')
    const found = this.failsWith
      ? undefined
      : this.#find(url, Buffer.concat(chunks).toString('latin1'), wantsMetadata)
    const status = found ? 200 : (this.failsWith ?? 404)
    response.writeHead(status, { 'content-type': 'application/json' })
    const failure = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status }
    const reason = status === 404 ? 'NotFound' : 'InternalError'
    response.end(JSON.stringify(found ?? { ...failure, reason, message: 'refused by the cluster' }))
  }

  #find(url: URL, body: string, wantsMetadata: boolean): object | undefined {
    const parts = url.pathname.split('/').slice(1)
    if (url.pathname.endsWith('/subjectaccessreviews')) return this.#review(body)
    if (url.pathname === '/api') return { kind: 'APIVersions', versions: ['v1'] }
    if (url.pathname === '/apis')
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: this.#groups() }
    if (parts[0] === 'apis' && parts.length === 2)
      return this.#groups().find(({ name }) => name === parts[1])
    const [group = '', version = '', ...rest] =
      parts[0] === 'api' ? ['', ...parts.slice(1)] : parts.slice(1)
    const kinds = this.kinds.filter((one) => one.group === group && one.version === version)
    if (rest.length === 0) return resourceList(group, version, kinds)
    const [namespace, plural, name] =
      rest[0] === 'namespaces' && rest.length > 2
        ? [rest[1], rest[2], rest[3]]
        : [undefined, rest[0], rest[1]]
    const kind = kinds.find((one) => one.plural === plural)
    if (!kind) return undefined
    if (name === undefined) return listOf(kind, url, wantsMetadata)
    const item = kind.items.find(
      (one) => one.metadata.name === name && one.metadata.namespace === namespace,
    )
    return item && shown(kind, item, wantsMetadata)
  }

  #groups(): readonly { readonly name: string }[] {
    const names = new Set([...this.kinds.map(({ group }) => group), 'authorization.k8s.io'])
    names.delete('')
    return [...names].map((name) => {
      const own = this.kinds.filter(({ group }) => group === name).map(({ version }) => version)
      const versions = [...new Set(own.length > 0 ? own : ['v1'])].map((version) => ({
        groupVersion: `${name}/${version}`,
        version,
      }))
      return { kind: 'APIGroup', apiVersion: 'v1', name, versions, preferredVersion: versions[0] }
    })
  }

  #review(body: string): object {
    this.reviews.push(body)
    const allowed = !body.includes('forbidden')
    const kind = { kind: 'SubjectAccessReview', apiVersion: 'authorization.k8s.io/v1' }
    return { ...kind, metadata: {}, spec: {}, status: { allowed } }
  }
}

function resourceList(group: string, version: string, kinds: readonly ClusterKind[]): object {
  const groupVersion = group === '' ? version : `${group}/${version}`
  const resources = kinds.map(({ plural, kind, namespaced }) => ({
    ...{ name: plural, singularName: '', namespaced, kind },
    verbs: ['get', 'list'],
  }))
  const reviews = {
    ...{ name: 'subjectaccessreviews', singularName: '', namespaced: false },
    ...{ kind: 'SubjectAccessReview', verbs: ['create'] },
  }
  const all = group === 'authorization.k8s.io' ? [reviews] : resources
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: all }
}

function listOf(kind: ClusterKind, url: URL, wantsMetadata: boolean): object {
  const limit = Number(url.searchParams.get('limit') ?? '0') || kind.items.length
  const from = Number(url.searchParams.get('continue') ?? '0')
  const items = kind.items.slice(from, from + limit)
  const next = from + limit < kind.items.length ? { continue: `${from + limit}` } : {}
  const list = wantsMetadata
    ? { ...metadata, kind: 'PartialObjectMetadataList' }
    : { apiVersion: versionOf(kind), kind: `${kind.kind}List` }
  return { ...list, metadata: next, items: items.map((item) => shown(kind, item, wantsMetadata)) }
}

function shown(kind: ClusterKind, item: ClusterItem, wantsMetadata: boolean): object {
  return wantsMetadata
    ? { ...metadata, kind: 'PartialObjectMetadata', metadata: item.metadata }
    : { apiVersion: versionOf(kind), kind: kind.kind, ...item }
}

function versionOf({ group, version }: ClusterKind): string {
  return group === '' ? version : `${group}/${version}`
}
