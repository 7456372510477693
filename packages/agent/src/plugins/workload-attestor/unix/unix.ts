import { readlinkSync } from 'node:fs'
import type { Clock } from '@mini-spire/runtime/clock'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Selector } from '../../../model/selector.ts'
import type { WorkloadAttestor, WorkloadProcess } from '../workload-attestor.ts'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'
import { ExecutableHasher } from './executable-hasher.ts'
import { NameDatabase } from './name-database.ts'
import { type ProcessStatus, readProcessStatus } from './process-status.ts'

const name = 'unix'

/** Options of {@link UnixAttestor}: its `plugin_data`, and where the system keeps what it reads. */
export interface UnixAttestorOptions {
  readonly discoversPath: boolean
  /** 0: no limit; below: no digest. */
  readonly sizeLimitBytes: number
  readonly clock: Clock
  /** `/proc`, or what `HOST_PROC` names. */
  readonly procPath: string
  /** `/etc/passwd` */
  readonly passwdPath: string
  /** `/etc/group` */
  readonly groupPath: string
}

/**
 * What the system knows of a process: effective user and group, supplementary groups, and on request its executable.
 *
 * Names come from the agent's own user database, files only; one that is missing leaves its selector out. Path and digest
 * say what runs at the moment of the question: a process may have replaced itself before it connected.
 */
export class UnixAttestor implements WorkloadAttestor, Disposable {
  readonly name: string = name
  readonly #options: UnixAttestorOptions
  readonly #users: NameDatabase
  readonly #groups: NameDatabase
  readonly #hasher: ExecutableHasher | undefined

  constructor(options: UnixAttestorOptions) {
    const { clock, passwdPath, groupPath, discoversPath, sizeLimitBytes } = options
    this.#options = options
    this.#users = new NameDatabase({ path: passwdPath, clock })
    this.#groups = new NameDatabase({ path: groupPath, clock })
    if (discoversPath && sizeLimitBytes >= 0)
      this.#hasher = new ExecutableHasher({ maxBytes: sizeLimitBytes })
  }

  attest(process: WorkloadProcess): readonly Selector[] | Promise<readonly Selector[]> {
    const folder = `${this.#options.procPath}/${process.pid}`
    const selectors = this.#rights(folder)
    if (!this.#options.discoversPath) return selectors
    selectors.push(selector('path', readPath(`${folder}/exe`)))
    if (!this.#hasher) return selectors
    return this.#hasher
      .hash({ path: `${folder}/exe`, uid: process.uid })
      .then((digest) => [...selectors, selector('sha256', digest)])
  }

  [Symbol.dispose](): void {
    this.#hasher?.[Symbol.dispose]()
  }

  #rights(folder: string): Selector[] {
    const { uid, gid, groups } = readStatus(`${folder}/status`)
    const selectors = [selector('uid', uid)]
    addName(selectors, 'user', this.#users.find(uid))
    selectors.push(selector('gid', gid))
    addName(selectors, 'group', this.#groups.find(gid))
    for (const group of groups) {
      selectors.push(selector('supplementary_gid', group))
      addName(selectors, 'supplementary_group', this.#groups.find(group))
    }
    return selectors
  }
}

function readStatus(path: string): ProcessStatus {
  try {
    return readProcessStatus(path)
  } catch (error) {
    throw unreadable(`failed to get process: ${whyUnreadable(path, error)}`, error)
  }
}

function readPath(path: string): string {
  try {
    return readlinkSync(path)
  } catch (error) {
    throw unreadable(`path lookup: ${osErrorText('readlink', path, error)}`, error)
  }
}

function whyUnreadable(path: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ESRCH') return 'process does not exist'
  return code === undefined ? messageOf(error) : osErrorText('open', path, error)
}

function unreadable(message: string, cause: unknown): WorkloadAttestorError {
  return new WorkloadAttestorError(name, 'ERR_WORKLOAD_UNREADABLE', message, { cause })
}

function selector(kind: string, value: string | number): Selector {
  return { type: name, value: `${kind}:${value}` }
}

function addName(selectors: Selector[], kind: string, value: string | undefined): void {
  if (value !== undefined) selectors.push(selector(kind, value))
}
