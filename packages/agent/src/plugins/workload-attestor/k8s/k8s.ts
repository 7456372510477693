import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../../../model/selector.ts'
import { ContainerLocator } from '../container/container-locator.ts'
import type { ContainerNames } from '../container/container-path.ts'
import type { ReferencedWorkload, WorkloadAttestor, WorkloadProcess } from '../workload-attestor.ts'
import type { K8sBrokerConfig } from './broker-config.ts'
import { k8sError, k8sName } from './k8s-error.ts'
import { locateTheOldWay } from './legacy-container-locator.ts'
import {
  type FoundObject,
  ObjectReferences,
  type ObjectReferencesOptions,
} from './object-references.ts'
import type { Pod } from './pod.ts'
import { type PodList, PodPoller } from './pod-poller.ts'
import { containerSelectors, podSelectors } from './pod-selectors.ts'

const name = k8sName
const lastRequestMs = 15_000

/** Options of {@link K8sAttestor}: its `plugin_data`, and what it asks. */
export interface K8sAttestorOptions {
  /** The pods of this node; undefined: the kubelet is not asked, and no process is attested. */
  readonly fetchPods: (() => Promise<ReadonlyMap<string, Pod>>) | undefined
  /** The labels of a namespace, from the API server; undefined: not asked. */
  readonly fetchNamespaceLabels:
    | ((namespace: string, signal: AbortSignal) => Promise<ReadonlyMap<string, string>>)
    | undefined
  /** What brokers may name; undefined: nothing is configured for them. */
  readonly brokers: K8sBrokerConfig | undefined
  /** Finds the cluster's API server, which is asked for what brokers name beyond this node's pods. */
  readonly openCluster: ObjectReferencesOptions['openCluster']
  readonly maxPollAttempts: number
  readonly pollIntervalMs: number
  readonly omitsContainerSelectors: boolean
  readonly usesOldLocator: boolean
  /** Whether each path looked at is logged. */
  readonly isVerbose: boolean
  /** `/proc`, or what `HOST_PROC` names. */
  readonly procPath: string
  readonly clock: Clock
  readonly log: Logger
}

interface LocatedPod {
  readonly pod: Pod
  readonly values: readonly string[]
}

/**
 * The pod and container that a process runs in, as the node's kubelet knows them.
 *
 * A container that has just started may not be in the kubelet's list yet: the list is read again until it is.
 */
export class K8sAttestor implements WorkloadAttestor, Disposable {
  readonly name: string = name
  /** All the attempts that were configured, and the last request. */
  readonly timeoutMs: number
  readonly #options: K8sAttestorOptions
  readonly #locator: ContainerLocator
  readonly #poller: PodPoller | undefined
  readonly #references: ObjectReferences

  constructor(options: K8sAttestorOptions) {
    const { fetchPods, pollIntervalMs: intervalMs, clock, procPath, isVerbose, log } = options
    this.#options = options
    this.timeoutMs = options.maxPollAttempts * intervalMs + lastRequestMs
    this.#locator = new ContainerLocator({
      attestor: name,
      procPath,
      findsPodUid: true,
      isVerbose,
      log,
    })
    const poller = fetchPods && new PodPoller({ fetchPods, intervalMs, clock })
    this.#poller = poller
    const localPods = poller && (async () => (await poller.fetchNewer(0)).pods)
    this.#references = new ObjectReferences({ ...options, localPods })
  }

  attest(
    process: WorkloadProcess,
    signal: AbortSignal,
  ): readonly Selector[] | Promise<readonly Selector[]> {
    const found = this.#locate(process, signal)
    return found ? found.then(({ values }) => selectorsOf(values)) : []
  }

  /**
   * What a broker names: a process, or an object of the cluster.
   *
   * @throws {WorkloadAttestorError} with SPIRE's texts
   */
  async attestReference(
    { reference, broker, process }: ReferencedWorkload,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> {
    const scope = this.#references.scopeOf(broker)
    const { subject } = reference
    if (process) {
      const found = await this.#locate(process, signal)
      if (!found) return []
      await this.#references.authorize(broker, podObject(found.pod), signal)
      return selectorsOf(found.values)
    }
    if (subject.kind !== 'kubernetes') {
      const text = `unsupported reference type: ${reference.typeUrl}`
      throw k8sError('ERR_WORKLOAD_REFERENCE_INVALID', text)
    }
    const found = await this.#references.find(subject.object, scope, signal)
    const labels =
      found.namespace === '' ? [] : await this.#namespaceSelectors(found.namespace, signal)
    await this.#references.authorize(broker, found, signal)
    return selectorsOf([...found.values, ...labels])
  }

  /** The pod and container of a process; undefined when it is in none. */
  #locate({ pid }: WorkloadProcess, signal: AbortSignal): Promise<LocatedPod> | undefined {
    if (!this.#poller) throw k8sError('ERR_WORKLOAD_DISABLED', 'kubelet client is disabled')
    const { usesOldLocator, procPath } = this.#options
    const names = usesOldLocator ? locateTheOldWay(procPath, pid) : this.#locator.locate(pid)
    return names.containerId === '' ? undefined : this.#search(this.#poller, names, signal)
  }

  [Symbol.dispose](): void {
    this.#poller?.close()
  }

  async #search(
    poller: PodPoller,
    names: ContainerNames,
    signal: AbortSignal,
  ): Promise<LocatedPod> {
    const { maxPollAttempts, pollIntervalMs } = this.#options
    const { podUid: pod_uid, containerId: container_id } = names
    const log = this.#options.log.with({ pod_uid, container_id })
    const retry_interval = `${pollIntervalMs}ms`
    let version = 0
    for (let attempt = 1; ; attempt++) {
      const list = await orError(poller.fetchNewer(version))
      signal.throwIfAborted()
      if (!(list instanceof Error)) {
        version = list.version
        const found = await this.#describe(list.pods, names, signal)
        if (found) return found
      }
      const isLast = attempt >= maxPollAttempts
      if (list instanceof Error) {
        const then = isLast ? 'giving up' : 'will retry after backoff'
        log.warn(`Unable to get pod list; ${then}`, {
          attempt,
          error: messageOf(list),
          retry_interval,
        })
        if (isLast) throw k8sError('ERR_WORKLOAD_ENGINE', messageOf(list), list)
      } else if (isLast) {
        log.warn('Container id not found; giving up', { attempt })
        throw k8sError('ERR_WORKLOAD_NOT_FOUND', 'no selectors found after max poll attempts')
      } else {
        log.debug('Container id not found; will retry after backoff', { attempt, retry_interval })
      }
    }
  }

  /** The one pod that holds the container, with its selector values, or undefined. */
  async #describe(
    pods: ReadonlyMap<string, Pod>,
    names: ContainerNames,
    signal: AbortSignal,
  ): Promise<LocatedPod | undefined> {
    const [match, second] = this.#matches(pods, names)
    if (second) {
      this.#options.log.warn('Two pods found with same container Id')
      throw k8sError('ERR_WORKLOAD_UNREADABLE', 'two pods found with same container Id')
    }
    if (!match) return undefined
    const labels = await this.#namespaceSelectors(match.pod.namespace, signal)
    return { pod: match.pod, values: [...match.values, ...labels] }
  }

  #matches(
    pods: ReadonlyMap<string, Pod>,
    { podUid, containerId }: ContainerNames,
  ): readonly LocatedPod[] {
    const { omitsContainerSelectors } = this.#options
    const known = podUid === '' ? undefined : pods.get(podUid)
    const candidates = podUid === '' ? [...pods.values()] : known ? [known] : []
    return candidates.flatMap((pod) => {
      const all = [...pod.containers, ...pod.initContainers]
      const container = all.find((one) => one.containerId === containerId)
      if (container && !omitsContainerSelectors) {
        return [{ pod, values: [...podSelectors(pod), ...containerSelectors(container)] }]
      }
      const isEnough = container !== undefined || (podUid !== '' && omitsContainerSelectors)
      return isEnough ? [{ pod, values: podSelectors(pod) }] : []
    })
  }

  async #namespaceSelectors(namespace: string, signal: AbortSignal): Promise<readonly string[]> {
    const { fetchNamespaceLabels } = this.#options
    if (!fetchNamespaceLabels) return []
    try {
      const labels = await fetchNamespaceLabels(namespace, signal)
      return [...labels].map(([key, value]) => `ns-label:${key}:${value}`)
    } catch (cause) {
      const what = `unable to get namespace labels for "${namespace}"`
      throw k8sError('ERR_WORKLOAD_UNREADABLE', `${what}: ${messageOf(cause)}`, cause)
    }
  }
}

async function orError(list: Promise<PodList>): Promise<PodList | Error> {
  try {
    return await list
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error))
  }
}

function podObject({ namespace, name }: Pod): Omit<FoundObject, 'values'> {
  return { plural: 'pods', group: 'core', namespace, name }
}

function selectorsOf(values: readonly string[]): readonly Selector[] {
  return values.map((value) => ({ type: name, value }))
}
