import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'
import { type Cgroup, readCgroups } from './cgroups.ts'
import { type ContainerNames, noContainer, readContainerPath } from './container-path.ts'
import { cgroupRoots, type Mount, readMounts } from './mount-roots.ts'

/** Options of {@link ContainerLocator}. */
export interface ContainerLocatorOptions {
  /** The attestor that asks; its name begins the messages. */
  readonly attestor: string
  /** `/proc`, or what `HOST_PROC` names. */
  readonly procPath: string
  /** Whether pod UIDs are looked for: an entry with one then stands above entries without. */
  readonly findsPodUid: boolean
  /** Whether each path looked at is logged. */
  readonly isVerbose: boolean
  readonly log: Logger
}

/**
 * Finds the container that a process runs in.
 *
 * The kernel's own account, `/proc/<pid>/cgroup`, decides. What the process sees mounted is asked only when that account
 * places the process at the root of the agent's own view, as it does for a process in the agent's own container:
 * anybody may mount another's cgroup in a mount namespace of his own.
 */
export class ContainerLocator {
  readonly #options: ContainerLocatorOptions

  constructor(options: ContainerLocatorOptions) {
    this.#options = options
  }

  /**
   * The container of a process; empty names when it is in none.
   *
   * @throws {WorkloadAttestorError} `ERR_WORKLOAD_CONTAINER_CONFLICT` when the entries name several, `ERR_WORKLOAD_UNREADABLE`
   */
  locate(pid: number): ContainerNames {
    const folder = `${this.#options.procPath}/${pid}`
    const cgroups = this.#read('unable to obtain cgroups', () => readCgroups(folder))
    this.#logCgroups(pid, cgroups)
    const found = this.#agree(
      cgroups.map(({ path }) => path),
      'cgroup_path',
    )
    if (found.containerId !== '' || !cgroups.every(({ path }) => path === '/')) return found
    const what = `failed to parse mount info at "${folder}/mountinfo"`
    const mounts = this.#read(what, () => readMounts(folder))
    this.#logMounts(pid, mounts)
    return this.#agree(cgroupRoots(mounts), 'mount_info_root')
  }

  #read<T>(what: string, read: () => readonly T[]): readonly T[] {
    try {
      return read()
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
      throw this.#error('ERR_WORKLOAD_UNREADABLE', `${what}: ${messageOf(cause)}`, cause)
    }
  }

  #logCgroups(pid: number, cgroups: readonly Cgroup[]): void {
    const { isVerbose, log } = this.#options
    if (!isVerbose) return
    for (const [index, { path }] of cgroups.entries()) {
      log.debug('PID cgroup enumerated', { pid, index: index + 1, total: cgroups.length, path })
    }
  }

  #logMounts(pid: number, mounts: readonly Mount[]): void {
    const { isVerbose, log } = this.#options
    if (!isVerbose) return
    for (const [index, { type, root }] of mounts.entries()) {
      const fields = { pid, index: index + 1, total: mounts.length, type, root }
      log.debug('PID mount enumerated', fields)
    }
  }

  /** One answer from many paths, or a refusal: whoever can be two containers is none. */
  #agree(paths: readonly string[], field: string): ContainerNames {
    let known = noContainer
    for (const path of paths) {
      const found = this.#namesIn(path)
      if (known.podUid !== '' && found.podUid === '') continue
      if (known.podUid === '' && found.podUid !== '') known = found
      if (known.podUid !== '' && found.podUid !== known.podUid) {
        throw this.#conflict('pod UID', known.podUid, found.podUid, { [field]: path })
      }
      if (known.containerId !== '' && found.containerId !== known.containerId) {
        throw this.#conflict('container ID', known.containerId, found.containerId, {
          [field]: path,
        })
      }
      known = found
    }
    return known
  }

  #namesIn(path: string): ContainerNames {
    const found = readContainerPath(path)
    return this.#options.findsPodUid ? found : { ...found, podUid: '' }
  }

  #conflict(
    what: 'pod UID' | 'container ID',
    previous: string,
    current: string,
    fields: Readonly<Record<string, string>>,
  ): WorkloadAttestorError {
    this.#options.log.debug(`Workload ${what} conflict`, { ...fields, previous, current })
    const message = `multiple ${what}s found ("${previous}", "${current}")`
    return this.#error('ERR_WORKLOAD_CONTAINER_CONFLICT', message)
  }

  #error(
    code: 'ERR_WORKLOAD_CONTAINER_CONFLICT' | 'ERR_WORKLOAD_UNREADABLE',
    message: string,
    cause?: unknown,
  ): WorkloadAttestorError {
    return new WorkloadAttestorError(this.#options.attestor, code, message, { cause })
  }
}
