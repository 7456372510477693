/** Records that are only looked up by key or walked: join tokens by hash, CA journals by ID. */
export class RecordRegistry<Value> {
  readonly #records = new Map<string, Value>()

  get size(): number {
    return this.#records.size
  }

  find(key: string): Value | undefined {
    return this.#records.get(key)
  }

  /** Every record, in creation order. */
  values(): Iterable<Value> {
    return this.#records.values()
  }

  /** For the registry: applies one committed change. */
  apply(key: string, value: Value | undefined): void {
    if (value === undefined) this.#records.delete(key)
    else this.#records.set(key, value)
  }
}
