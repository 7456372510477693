import { isTrueIn, listIn, objectIn, stringIn, stringMap } from '@mini-spire/runtime/json-fields'
import type { KubernetesClient } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { k8sError } from './k8s-error.ts'
import { type Pod, readPod } from './pod.ts'

/** A kind of objects, as the cluster serves it. */
export interface ResourceKind {
  readonly plural: string
  /** As a broker writes it: `core` for Kubernetes' own. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly isNamespaced: boolean
}

/** Who an object belongs to. */
export interface ObjectOwner {
  /** `core` for Kubernetes' own. */
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly isController: boolean
}

/** What every object has. */
export interface ObjectMetadata {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly labels: ReadonlyMap<string, string>
  readonly owners: readonly ObjectOwner[]
}

/** Which object is asked for; a name, or else a UID. */
export interface ObjectQuery {
  readonly namespace: string
  readonly name: string
  readonly uid: string
}

type Cluster = Pick<KubernetesClient, 'request'>

const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
const metadataList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
const pageSize = 500
/** A list that is longer is not searched to its end. */
const maxPages = 200
/** A DNS name in lower case: whatever else is put into a path stays out. */
const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const podKind: ResourceKind = {
  plural: 'pods',
  group: 'core',
  version: 'v1',
  kind: 'Pod',
  isNamespaced: true,
}

/** The objects of a cluster, asked for by name or by UID; only their metadata, but for pods. */
export class ClusterObjects {
  readonly #open: () => Promise<Cluster>

  /** @param open finds the API server */
  constructor(open: () => Promise<Cluster>) {
    this.#open = open
  }

  /** How the cluster serves a kind of objects. @throws {WorkloadAttestorError} when it does not */
  async findKind(plural: string, group: string, signal: AbortSignal): Promise<ResourceKind> {
    const unknown = `unknown Kubernetes resource ${plural}.${group}: no matches for ${apiGroup(group)}/, Resource=${plural}`
    if (!dnsName.test(plural) || !dnsName.test(group))
      throw k8sError('ERR_WORKLOAD_REFERENCE_INVALID', unknown)
    for (const version of await this.#versionsOf(group, signal)) {
      const list = await this.#find(versionPath(group, version), signal)
      const found = listIn(list, 'resources').find((one) => stringIn(one, 'name') === plural)
      if (found === undefined) continue
      const isNamespaced = isTrueIn(found, 'namespaced')
      return { plural, group, version, kind: stringIn(found, 'kind'), isNamespaced }
    }
    throw k8sError('ERR_WORKLOAD_REFERENCE_INVALID', unknown)
  }

  /** @throws {WorkloadAttestorError} `ERR_WORKLOAD_OBJECT_NOT_FOUND`, `ERR_WORKLOAD_UNREADABLE` */
  async find(kind: ResourceKind, query: ObjectQuery, signal: AbortSignal): Promise<ObjectMetadata> {
    if (query.name === '') return await this.#findByUid(kind, query.uid, signal)
    const { namespace, name } = query
    const found = await this.#find(objectPath(kind, namespace, name), signal, {
      accept: metadataOnly,
      what: `unable to get ${kind.kind}`,
    })
    if (found === undefined)
      throw k8sError('ERR_WORKLOAD_OBJECT_NOT_FOUND', `${kind.kind} ${namespace}/${name} not found`)
    return readMetadata(found)
  }

  /** A whole pod. @throws as {@link find} */
  async findPod(query: ObjectQuery, signal: AbortSignal): Promise<Pod> {
    const { namespace, name } =
      query.name === '' ? await this.#findByUid(podKind, query.uid, signal) : query
    const found = await this.#find(objectPath(podKind, namespace, name), signal, {
      what: 'unable to get pod from Kubernetes API',
    })
    if (found === undefined)
      throw k8sError('ERR_WORKLOAD_OBJECT_NOT_FOUND', `pod ${namespace}/${name} not found`)
    return readPod(found)
  }

  /** Kubernetes cannot be asked for a UID: the objects are read through, page by page. */
  async #findByUid(kind: ResourceKind, uid: string, signal: AbortSignal): Promise<ObjectMetadata> {
    const all = `${versionPath(kind.group, kind.version)}/${kind.plural}?limit=${pageSize}`
    let next = ''
    for (let page = 0; page < maxPages; page++) {
      const list = await this.#find(`${all}${next}`, signal, {
        accept: metadataList,
        what: `unable to list ${kind.kind}`,
      })
      const found = listIn(list, 'items').find(
        (item) => stringIn(objectIn(item, 'metadata'), 'uid') === uid,
      )
      if (found !== undefined) return readMetadata(found)
      const token = stringIn(objectIn(list, 'metadata'), 'continue')
      if (token === '') break
      next = `&continue=${encodeURIComponent(token)}`
    }
    throw k8sError('ERR_WORKLOAD_OBJECT_NOT_FOUND', `${kind.kind} with UID ${uid} not found`)
  }

  /** The versions of a group, the preferred one first. */
  async #versionsOf(group: string, signal: AbortSignal): Promise<readonly string[]> {
    if (group === 'core') return ['v1']
    const found = await this.#find(`/apis/${group}`, signal)
    const preferred = stringIn(objectIn(found, 'preferredVersion'), 'version')
    const all = listIn(found, 'versions').map((one) => stringIn(one, 'version'))
    return [...new Set([preferred, ...all])].filter((version) => dnsName.test(version))
  }

  /** What is at a path; undefined when nothing is. */
  async #find(
    path: string,
    signal: AbortSignal,
    { accept, what = 'unable to discover resources' }: { accept?: string; what?: string } = {},
  ): Promise<unknown> {
    try {
      const cluster = await this.#open()
      return await cluster.request({ path, signal, ...(accept !== undefined && { accept }) })
    } catch (cause) {
      const status = isSpiffeError(cause, 'ERR_KUBERNETES_REFUSED') && Reflect.get(cause, 'status')
      if (status === 404) return undefined
      throw k8sError('ERR_WORKLOAD_UNREADABLE', `${what}: ${messageOf(cause)}`, cause)
    }
  }
}

/** The group as Kubernetes writes it. */
export function apiGroup(group: string): string {
  return group === 'core' ? '' : group
}

function versionPath(group: string, version: string): string {
  return group === 'core' ? `/api/${version}` : `/apis/${group}/${version}`
}

function objectPath(kind: ResourceKind, namespace: string, name: string): string {
  const within = namespace === '' ? '' : `/namespaces/${segment(namespace)}`
  return `${versionPath(kind.group, kind.version)}${within}/${kind.plural}/${segment(name)}`
}

/** A name as part of a path. Kubernetes has no object whose name would lead elsewhere. */
function segment(name: string): string {
  if (name === '.' || name === '..' || /[/%]/.test(name))
    throw k8sError('ERR_WORKLOAD_REFERENCE_INVALID', 'object reference has a malformed name')
  return encodeURIComponent(name)
}

function readMetadata(item: unknown): ObjectMetadata {
  const metadata = objectIn(item, 'metadata')
  return {
    uid: stringIn(metadata, 'uid'),
    name: stringIn(metadata, 'name'),
    namespace: stringIn(metadata, 'namespace'),
    labels: stringMap(objectIn(metadata, 'labels')),
    owners: listIn(metadata, 'ownerReferences').map((owner) => ({
      group: groupOf(stringIn(owner, 'apiVersion')),
      kind: stringIn(owner, 'kind'),
      name: stringIn(owner, 'name'),
      uid: stringIn(owner, 'uid'),
      isController: isTrueIn(owner, 'controller'),
    })),
  }
}

/** `apps/v1` → `apps`, `v1` → `core`. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? 'core' : apiVersion.slice(0, slash)
}
