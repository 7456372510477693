import { WorkloadApiError } from './workload-api-error.ts'

/**
 * Follows a watch: holds its newest value, tells who waits, and ends it. The one loop behind every source.
 */
export class Following<Value> {
  readonly #abort = new AbortController()
  readonly #name: string
  readonly #listeners = new Set<() => void>()
  #value: Value | undefined
  #failure: unknown
  #isClosed = false

  constructor(name: string) {
    this.#name = name
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /**
   * Starts following and resolves with the first value.
   *
   * @throws what the watch throws before it brought one, or the reason of the caller's signal
   */
  start(values: AsyncIterable<Value>, signal?: AbortSignal): Promise<Value> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.close()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#follow(values, resolve)
        .catch((error: unknown) => {
          this.#failure = error
          reject(error)
        })
        .finally(() => signal?.removeEventListener('abort', onAbort))
      if (signal?.aborted) onAbort()
    })
  }

  /** The newest value. @throws {WorkloadApiError} `ERR_SOURCE_CLOSED`, or what ended the watch */
  get(): Value {
    if (this.#isClosed)
      throw new WorkloadApiError('ERR_SOURCE_CLOSED', `${this.#name}: source is closed`)
    if (this.#value === undefined) throw this.#failure
    return this.#value
  }

  /** The newest value, or undefined when there was none yet. */
  find(): Value | undefined {
    return this.#value
  }

  /** Calls back after each new value; the result stops that. */
  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls every listener, as for a new value. */
  notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  close(): void {
    this.#isClosed = true
    this.#listeners.clear()
    this.#abort.abort()
  }

  async #follow(values: AsyncIterable<Value>, onFirst: (value: Value) => void): Promise<void> {
    for await (const value of values) {
      const isFirst = this.#value === undefined
      this.#value = value
      if (isFirst) onFirst(value)
      this.notify()
    }
  }
}
