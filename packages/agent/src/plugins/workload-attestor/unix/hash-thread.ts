import { Worker } from 'node:worker_threads'

/**
 * The thread's program. Text, because it has to start from sources, from a bundle and from a single executable alike, and
 * only the last two could name a file. It gets a descriptor that stays open until it has answered.
 */
const program = `
const { parentPort } = require('node:worker_threads')
const { createHash } = require('node:crypto')
const { readSync } = require('node:fs')
const buffer = Buffer.allocUnsafeSlow(1 << 18)
parentPort.on('message', ({ job, file }) => {
  try {
    const hash = createHash('sha256')
    for (let position = 0; ; ) {
      const count = readSync(file, buffer, 0, buffer.length, position)
      if (count === 0) break
      hash.update(buffer.subarray(0, count))
      position += count
    }
    parentPort.postMessage({ job, digest: hash.digest('hex') })
  } catch (error) {
    parentPort.postMessage({ job, error: String(error.message) })
  }
})
`

interface Answer {
  readonly job: number
  readonly digest?: string
  readonly error?: string
}

interface Job {
  resolve(digest: string): void
  reject(error: Error): void
}

/** Hashes open files in a thread of its own, one after the other, so that a large executable holds nobody else up. */
export class HashThread implements Disposable {
  readonly #jobs = new Map<number, Job>()
  #worker: Worker | undefined
  #lastJob = 0

  /** The SHA-256 (hex) of an open file, from its start. The descriptor must stay open until this settles. */
  hash(file: number): Promise<string> {
    this.#worker ??= this.#start()
    const job = ++this.#lastJob
    const answer = new Promise<string>((resolve, reject) =>
      this.#jobs.set(job, { resolve, reject }),
    )
    this.#worker.postMessage({ job, file })
    return answer
  }

  [Symbol.dispose](): void {
    this.#stop(new Error('hashing has stopped'))
  }

  #start(): Worker {
    const worker = new Worker(program, { eval: true })
    worker.unref()
    worker.on('message', ({ job, digest, error }: Answer) => {
      const waiting = this.#jobs.get(job)
      this.#jobs.delete(job)
      if (digest === undefined) waiting?.reject(new Error(error))
      else waiting?.resolve(digest)
    })
    worker.on('error', (error) => this.#stop(error))
    return worker
  }

  #stop(reason: Error): void {
    const worker = this.#worker
    this.#worker = undefined
    const jobs = [...this.#jobs.values()]
    this.#jobs.clear()
    for (const { reject } of jobs) reject(reason)
    void worker?.terminate()
  }
}
