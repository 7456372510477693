import { isTrueIn, objectIn } from '@mini-spire/runtime/json-fields'
import type { KubernetesClient } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { KubernetesObject } from '../../../model/workload-reference.ts'
import type { K8sBrokerConfig, PodReferenceScope } from './broker-config.ts'
import { apiGroup, ClusterObjects, type ObjectQuery } from './cluster-objects.ts'
import { k8sError } from './k8s-error.ts'
import { objectSelectors } from './object-selectors.ts'
import type { Pod } from './pod.ts'
import { podSelectors } from './pod-selectors.ts'

const impersonation = 'impersonate-via-spire'

/** Options of {@link ObjectReferences}. */
export interface ObjectReferencesOptions {
  /** Undefined: nothing is configured for brokers. */
  readonly brokers: K8sBrokerConfig | undefined
  /** The pods of this node; undefined: the kubelet is not asked. */
  readonly localPods: (() => Promise<ReadonlyMap<string, Pod>>) | undefined
  /** Finds the cluster's API server. */
  readonly openCluster: () => Promise<Pick<KubernetesClient, 'request'>>
  readonly log: Logger
}

/** An object that was found: what it is, and where. */
export interface FoundObject {
  readonly values: readonly string[]
  readonly plural: string
  readonly group: string
  /** Empty for what belongs to none. */
  readonly namespace: string
  readonly name: string
}

/** What a broker may name in the cluster, and what that is. */
export class ObjectReferences {
  readonly #options: ObjectReferencesOptions
  readonly #objects: ClusterObjects

  constructor(options: ObjectReferencesOptions) {
    this.#options = options
    this.#objects = new ClusterObjects(options.openCluster)
  }

  /**
   * Where a broker's pods may be.
   *
   * @throws {WorkloadAttestorError} `ERR_WORKLOAD_BROKER_CONFIG`, `ERR_WORKLOAD_BROKER_DENIED` when it may name nothing here
   */
  scopeOf(broker: SpiffeId): PodReferenceScope {
    const { brokers } = this.#options
    if (!brokers) throw k8sError('ERR_WORKLOAD_BROKER_CONFIG', 'broker configuration missing')
    const scope = brokers.scopes.get(broker.toString())
    if (scope) return scope
    throw k8sError('ERR_WORKLOAD_BROKER_DENIED', `broker "${broker}" is not configured`)
  }

  /** @throws {WorkloadAttestorError} with SPIRE's texts */
  async find(
    object: KubernetesObject,
    scope: PodReferenceScope,
    signal: AbortSignal,
  ): Promise<FoundObject> {
    const { type, query } = checked(object)
    const { plural, group } = type
    if (plural !== 'pods' || group !== 'core') return await this.#findAny(type, query, signal)
    const pod = await this.#findPod(query, scope, signal)
    const { namespace, name } = pod
    assertUid(query, pod.uid, `pod ${namespace}/${name}`)
    return { values: podSelectors(pod), plural, group, namespace, name }
  }

  /**
   * Asks the cluster whether a broker may act for an object, where that is configured.
   *
   * @throws {WorkloadAttestorError} `ERR_WORKLOAD_BROKER_DENIED`, `ERR_WORKLOAD_UNREADABLE`
   */
  async authorize(
    broker: SpiffeId,
    found: Omit<FoundObject, 'values'>,
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.#options.brokers?.isEnforced) return
    if (await this.#isAllowed(broker, found, signal)) return
    throw k8sError(
      'ERR_WORKLOAD_BROKER_DENIED',
      `Kubernetes authorizer does not allow the broker to use ${impersonation} for the referenced object`,
    )
  }

  async #isAllowed(
    broker: SpiffeId,
    { plural, group, namespace, name }: Omit<FoundObject, 'values'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const resource = { group: apiGroup(group), resource: plural, namespace, name }
    try {
      const cluster = await this.#options.openCluster()
      const review = await cluster.request({
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        method: 'POST',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: {
            user: broker.toString(),
            resourceAttributes: { ...resource, verb: impersonation },
          },
        },
        signal,
      })
      return isTrueIn(objectIn(review, 'status'), 'allowed')
    } catch (cause) {
      const what = 'unable to check Kubernetes authorization for broker'
      throw k8sError('ERR_WORKLOAD_UNREADABLE', `${what}: ${messageOf(cause)}`, cause)
    }
  }

  async #findAny(
    { plural, group }: NonNullable<KubernetesObject['type']>,
    query: ObjectQuery,
    signal: AbortSignal,
  ): Promise<FoundObject> {
    const kind = await this.#objects.findKind(plural, group, signal)
    if (kind.isNamespaced) assertNamespace(query)
    else if (query.namespace !== '') {
      const text = 'namespace must be empty for cluster-scoped resource'
      throw k8sError('ERR_WORKLOAD_REFERENCE_INVALID', text)
    }
    const found = await this.#objects.find(kind, query, signal)
    const { namespace, name } = found
    assertUid(query, found.uid, `${plural}.${group} ${namespace}/${name}`)
    return { values: objectSelectors(kind, found), plural, group, namespace, name }
  }

  async #findPod(query: ObjectQuery, scope: PodReferenceScope, signal: AbortSignal): Promise<Pod> {
    assertNamespace(query)
    const { namespace, name, uid } = query
    const pods = await this.#podsHere(scope)
    const found =
      name === ''
        ? pods?.get(uid)
        : [...(pods?.values() ?? [])].find(
            (pod) => pod.namespace === namespace && pod.name === name,
          )
    if (found) return found
    if (scope === 'cluster') return await this.#objects.findPod(query, signal)
    const what = name === '' ? `with UID ${uid}` : `${namespace}/${name}`
    throw k8sError('ERR_WORKLOAD_OBJECT_NOT_FOUND', `pod ${what} not found on agent node`)
  }

  /** The pods of this node; undefined when they cannot be had and need not be. */
  async #podsHere(scope: PodReferenceScope): Promise<ReadonlyMap<string, Pod> | undefined> {
    const { localPods, log } = this.#options
    if (!localPods) {
      if (scope === 'cluster') return undefined
      throw k8sError('ERR_WORKLOAD_DISABLED', 'kubelet client is disabled')
    }
    try {
      return await localPods()
    } catch (cause) {
      if (scope !== 'cluster') throw k8sError('ERR_WORKLOAD_ENGINE', messageOf(cause), cause)
      const text = 'Unable to query kubelet for pod reference; falling back to Kubernetes API'
      log.debug(text, { error: messageOf(cause) })
      return undefined
    }
  }
}

function checked({ type, key, uid }: KubernetesObject): {
  readonly type: NonNullable<KubernetesObject['type']>
  readonly query: ObjectQuery
} {
  const invalid = (what: string) =>
    k8sError('ERR_WORKLOAD_REFERENCE_INVALID', `object reference ${what}`)
  if (!type) throw invalid('is missing type')
  if (type.plural === '') throw invalid('type is missing plural')
  if (type.group === '') throw invalid('type is missing group')
  if (!key && uid === '') throw invalid('is missing key and UID')
  if (key && key.name === '') throw invalid('key is missing name')
  return { type, query: { namespace: key?.namespace ?? '', name: key?.name ?? '', uid } }
}

function assertNamespace({ namespace, name }: ObjectQuery): void {
  if (name === '' || namespace !== '') return
  const text = 'namespace is required when name is set for a namespaced resource'
  throw k8sError('ERR_WORKLOAD_REFERENCE_INVALID', text)
}

/** An object that was made anew under its old name is another. */
function assertUid({ uid }: ObjectQuery, found: string, what: string): void {
  if (uid === '' || uid === found) return
  const text = `${what} has UID ${found}, expected ${uid}`
  throw k8sError('ERR_WORKLOAD_OBJECT_NOT_FOUND', text)
}
