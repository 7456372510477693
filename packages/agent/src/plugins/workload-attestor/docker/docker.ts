import { statSync } from 'node:fs'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../../../model/selector.ts'
import { type Cgroup, readCgroups } from '../container/cgroups.ts'
import { ContainerLocator } from '../container/container-locator.ts'
import { mayBeInContainer } from '../container/same-container.ts'
import type { WorkloadAttestor, WorkloadProcess } from '../workload-attestor.ts'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'
import { type Container, ContainerEngine } from './container-engine.ts'
import type { FindContainerId } from './container-id-matchers.ts'
import { findPodmanSocket, type PodmanSocket, type PodmanSockets } from './podman-sockets.ts'

const name = 'docker'
/** Waits before the second, third and fourth try: an engine can be slow to know what it has just started. */
const retryDelaysMs: readonly number[] = [100, 200, 400]

/** Options of {@link DockerAttestor}: its `plugin_data`, and where the system keeps what it reads. */
export interface DockerAttestorOptions {
  readonly http: HttpClient
  readonly clock: Clock
  readonly log: Logger
  /** `/proc`, or what `HOST_PROC` names. */
  readonly procPath: string
  /** `unix:///…` or `tcp://host:port` */
  readonly dockerAddress: string
  /** Empty: the engine's own. */
  readonly dockerVersion: string
  readonly podman: PodmanSockets
  /** The agent's own user ID: its own sockets are trusted. */
  readonly ownUid: number
  /** From `container_id_cgroup_matchers`, in place of the usual way of finding a container. */
  readonly findContainerId: FindContainerId | undefined
  /** Whether each path looked at is logged. */
  readonly isVerbose: boolean
}

interface Located {
  readonly containerId: string
  readonly podman: PodmanSocket | undefined
}

/** What Docker or Podman knows of the container that a process runs in: labels, environment and image. */
export class DockerAttestor implements WorkloadAttestor {
  readonly name: string = name
  readonly #options: DockerAttestorOptions
  readonly #locator: ContainerLocator
  readonly #docker: ContainerEngine

  constructor(options: DockerAttestorOptions) {
    const { http, dockerAddress, dockerVersion, procPath, isVerbose, log } = options
    this.#options = options
    this.#docker = new ContainerEngine({ http, address: dockerAddress, version: dockerVersion })
    this.#locator = new ContainerLocator({
      attestor: name,
      procPath,
      findsPodUid: false,
      isVerbose,
      log,
    })
  }

  attest(
    { pid }: WorkloadProcess,
    signal: AbortSignal,
  ): readonly Selector[] | Promise<readonly Selector[]> {
    const located = this.#locate(pid)
    return located ? this.#describe(pid, located, signal) : []
  }

  #locate(pid: number): Located | undefined {
    const { findContainerId, podman, log } = this.#options
    if (findContainerId) {
      const cgroups = this.#cgroups(pid)
      const containerId = matchOne(findContainerId, cgroups)
      return containerId
        ? { containerId, podman: findPodmanSocket(cgroups, podman, log) }
        : undefined
    }
    const { containerId } = this.#locator.locate(pid)
    if (containerId === '') return undefined
    return { containerId, podman: findPodmanSocket(this.#cgroups(pid), podman, log) }
  }

  #cgroups(pid: number): readonly Cgroup[] {
    try {
      return readCgroups(`${this.#options.procPath}/${pid}`)
    } catch (cause) {
      // A container that was found by its mounts is Docker's, as far as one can see.
      if (!this.#options.findContainerId) {
        const text = 'Failed to read cgroups for Podman detection, falling back to Docker client'
        this.#options.log.warn(text, { pid, err: messageOf(cause) })
        return []
      }
      const message = `unable to obtain cgroups: ${messageOf(cause)}`
      throw new WorkloadAttestorError(name, 'ERR_WORKLOAD_UNREADABLE', message, { cause })
    }
  }

  async #describe(
    pid: number,
    { containerId, podman }: Located,
    signal: AbortSignal,
  ): Promise<readonly Selector[]> {
    const engine = podman ? this.#podman(podman) : this.#docker
    const container = await this.#inspect(engine, containerId, signal)
    const { mainPid, image } = container
    const { procPath, log } = this.#options
    if (mainPid > 0 && !mayBeInContainer(procPath, { pid, mainPid }, containerId)) {
      const message = `process ${pid} is not in the control group of container ${containerId}, only in one of the same name`
      throw new WorkloadAttestorError(name, 'ERR_WORKLOAD_CONTAINER_FORGED', message)
    }
    const values = selectorValues(container)
    if (image !== '') {
      try {
        values.push(`image_config_digest:${await engine.findImageId(image, signal)}`)
      } catch (error) {
        log.debug('Image not found', { image, error: messageOf(error) })
      }
    }
    return values.map((value) => ({ type: name, value }))
  }

  /** Podman of a user: its socket must be that user's, root's or the agent's own, or it could be anybody's. */
  #podman({ address, ownerUid }: PodmanSocket): ContainerEngine {
    if (ownerUid !== undefined && address.startsWith('unix://')) {
      const owner = ownerOf(address.slice('unix://'.length))
      const trusted = [ownerUid, 0, this.#options.ownUid]
      if (owner !== undefined && !trusted.includes(owner)) {
        const message = `Podman's socket ${address} belongs to user ${owner}, not to user ${ownerUid}`
        throw new WorkloadAttestorError(name, 'ERR_WORKLOAD_CONTAINER_FORGED', message)
      }
    }
    return new ContainerEngine({ http: this.#options.http, address, version: '' })
  }

  async #inspect(engine: ContainerEngine, id: string, signal: AbortSignal): Promise<Container> {
    for (const delayMs of retryDelaysMs) {
      try {
        return await engine.inspectContainer(id, signal)
      } catch (error) {
        if (!(await sleep(this.#options.clock, delayMs, signal))) throw error
      }
    }
    return await engine.inspectContainer(id, signal)
  }
}

function matchOne(find: FindContainerId, cgroups: readonly Cgroup[]): string | undefined {
  let known: string | undefined
  for (const { path } of cgroups) {
    const id = find(path)
    if (id === undefined) continue
    if (id === '') throw conflict('a pattern matched, but no container id was found')
    known ??= id
    if (known !== id) throw conflict(`multiple container IDs found in cgroups (${known}, ${id})`)
  }
  return known
}

function conflict(message: string): WorkloadAttestorError {
  return new WorkloadAttestorError(name, 'ERR_WORKLOAD_CONTAINER_CONFLICT', message)
}

function selectorValues({ labels, environment, image }: Container): string[] {
  const values = [...labels].map(([label, value]) => `label:${label}:${value}`)
  for (const variable of environment) values.push(`env:${variable}`)
  if (image !== '') values.push(`image_id:${image}`)
  return values
}

function ownerOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.uid
}
