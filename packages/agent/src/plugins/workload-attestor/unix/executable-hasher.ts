import { closeSync, fstatSync, openSync } from 'node:fs'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'
import { HashThread } from './hash-thread.ts'

/** How many executables of one user may wait to be hashed; more are refused, so that one user cannot hold up the others. */
const maxJobsPerUser = 4
/** How many executables may wait in all. */
const maxJobs = 64

/** Options of {@link ExecutableHasher}. */
export interface ExecutableHasherOptions {
  /** 0: none. */
  readonly maxBytes: number
}

/** What is to be hashed, for whom. */
export interface HashRequest {
  /** `/proc/<pid>/exe`: the bytes that run, whatever has the name now and in whatever mount namespace. */
  readonly path: string
  readonly uid: number
}

/**
 * Digests of executables. An executable that several processes run is hashed once at a time, however many ask.
 *
 * Nothing is remembered: a digest is as fresh as the question.
 */
export class ExecutableHasher implements Disposable {
  readonly #maxBytes: number
  readonly #thread = new HashThread()
  readonly #running = new Map<string, Promise<string>>()
  readonly #jobsOfUser = new Map<number, number>()

  constructor(options: ExecutableHasherOptions) {
    this.#maxBytes = options.maxBytes
  }

  /** @throws {WorkloadAttestorError} `ERR_WORKLOAD_TOO_LARGE`, `ERR_WORKLOAD_LIMIT`, `ERR_WORKLOAD_UNREADABLE` */
  hash(request: HashRequest): Promise<string> {
    let file: number
    try {
      file = openSync(request.path, 'r')
    } catch (error) {
      return Promise.reject(unreadable(error))
    }
    try {
      const { dev, ino, size } = fstatSync(file, { bigint: true })
      this.#checkSize(request.path, size)
      const key = `${dev}:${ino}`
      const running = this.#running.get(key)
      if (running) {
        closeSync(file)
        return running
      }
      return this.#begin(key, file, request.uid)
    } catch (error) {
      closeSync(file)
      return Promise.reject(error instanceof WorkloadAttestorError ? error : unreadable(error))
    }
  }

  [Symbol.dispose](): void {
    this.#thread[Symbol.dispose]()
  }

  #checkSize(path: string, size: bigint): void {
    if (this.#maxBytes <= 0 || size <= BigInt(this.#maxBytes)) return
    throw new WorkloadAttestorError(
      'unix',
      'ERR_WORKLOAD_TOO_LARGE',
      `SHA256 digest: workload ${path} exceeds size limit (${size} > ${this.#maxBytes})`,
    )
  }

  #begin(key: string, file: number, uid: number): Promise<string> {
    const jobs = this.#jobsOfUser.get(uid) ?? 0
    if (jobs >= maxJobsPerUser || this.#running.size >= maxJobs) {
      throw new WorkloadAttestorError(
        'unix',
        'ERR_WORKLOAD_LIMIT',
        'SHA256 digest: too many executables wait to be hashed',
      )
    }
    this.#jobsOfUser.set(uid, jobs + 1)
    const job = this.#thread
      .hash(file)
      .catch((error) => Promise.reject(unreadable(error)))
      .finally(() => {
        closeSync(file)
        this.#running.delete(key)
        const left = (this.#jobsOfUser.get(uid) ?? 1) - 1
        if (left > 0) this.#jobsOfUser.set(uid, left)
        else this.#jobsOfUser.delete(uid)
      })
    this.#running.set(key, job)
    return job
  }
}

function unreadable(error: unknown): WorkloadAttestorError {
  return new WorkloadAttestorError(
    'unix',
    'ERR_WORKLOAD_UNREADABLE',
    `SHA256 digest: ${error instanceof Error ? error.message : String(error)}`,
    { cause: error },
  )
}
