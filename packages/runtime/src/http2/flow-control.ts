import { maxWindowBytes } from './protocol.ts'

/** Room is given back to the peer in pieces of this size: half of a window, so that it need not wait. */
export const creditBytes = 32_768

/** How much a peer takes (RFC 9113, 6.9.1); less than nothing when it has changed its mind. */
export class SendWindow {
  #bytes: number

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  take(bytes: number): void {
    this.#bytes -= bytes
  }

  /** False: it would be more than there may be. */
  change(bytes: number): boolean {
    if (this.#bytes + bytes > maxWindowBytes) return false
    this.#bytes += bytes
    return true
  }
}
