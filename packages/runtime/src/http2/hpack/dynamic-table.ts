import type { HeaderField } from './header-field.ts'

/** What peers may count on before they are told otherwise (RFC 9113, 6.5.2); they never are. */
export const tableBytes = 4_096

/** The fields that a peer's blocks may point back to, the newest first (RFC 7541, 2.3.2). */
export class DynamicTable {
  /** The oldest first. */
  #fields: HeaderField[] = []
  /** How many of the oldest have been dropped, but stand there still. */
  #dropped = 0
  #size = 0
  #maxSize = tableBytes

  /** How many fields there are. */
  get length(): number {
    return this.#fields.length - this.#dropped
  }

  /** @param index 0 is the newest */
  get(index: number): HeaderField | undefined {
    return index < this.length ? this.#fields[this.#fields.length - 1 - index] : undefined
  }

  /** Adds a field, and drops the oldest for it; one that is larger than the table empties it (RFC 7541, 4.4). */
  add(field: HeaderField): void {
    this.#evict(this.#maxSize - field.size)
    if (field.size > this.#maxSize) return
    this.#fields.push(field)
    this.#size += field.size
  }

  /** Takes a size from the peer (RFC 7541, 4.3); false: it is larger than allowed. */
  resize(maxSize: number): boolean {
    if (maxSize > tableBytes) return false
    this.#maxSize = maxSize
    this.#evict(maxSize)
    return true
  }

  #evict(allowed: number): void {
    while (this.#size > allowed && this.length > 0) {
      this.#size -= this.#fields[this.#dropped]?.size ?? 0
      this.#dropped++
    }
    if (this.#dropped < this.#fields.length / 2) return
    this.#fields = this.#fields.slice(this.#dropped)
    this.#dropped = 0
  }
}
