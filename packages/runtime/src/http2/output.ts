import type { Duplex } from 'node:stream'

/** While more than this waits to be taken by the peer, nothing is added that can wait itself. */
const roomBytes = 65_536
/** Pieces of up to so many bytes go out as one; larger ones are not copied. */
const joinedBytes = 32_768

/**
 * What goes out on a connection. What is written in one turn leaves as one piece: each write costs a call into the system, and on TLS
 * a record.
 */
export class Output {
  readonly #socket: Duplex
  readonly #onRoom: () => void
  #pieces: Buffer[] = []
  #bytes = 0
  #isScheduled = false
  #isBlocked = false
  #isEnded = false

  /** @param onRoom told when there is room again after there was none */
  constructor(socket: Duplex, onRoom: () => void) {
    this.#socket = socket
    this.#onRoom = onRoom
    socket.on('drain', () => {
      this.#isBlocked = false
      onRoom()
    })
  }

  /** How many bytes wait for the peer to take them. */
  get waitingBytes(): number {
    return this.#bytes + (this.#isBlocked ? this.#socket.writableLength : 0)
  }

  get hasRoom(): boolean {
    return this.waitingBytes < roomBytes
  }

  write(piece: Buffer): void {
    if (this.#isEnded) return
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#isScheduled) return
    this.#isScheduled = true
    process.nextTick(flush, this)
  }

  flush(): void {
    this.#isScheduled = false
    if (this.#bytes === 0 || this.#socket.destroyed) return
    const hadRoom = this.hasRoom
    const pieces = this.#pieces
    const bytes = this.#bytes
    this.#pieces = []
    this.#bytes = 0
    const isTaken = bytes <= joinedBytes ? this.#writeJoined(pieces) : this.#writeEach(pieces)
    if (!isTaken) this.#isBlocked = true
    else if (!hadRoom) this.#onRoom()
  }

  /** Sends what is there, and then nothing more. */
  end(): void {
    this.flush()
    this.#isEnded = true
    this.#socket.end()
  }

  #writeJoined(pieces: readonly Buffer[]): boolean {
    const [first] = pieces
    return this.#socket.write(pieces.length === 1 && first ? first : Buffer.concat(pieces))
  }

  #writeEach(pieces: readonly Buffer[]): boolean {
    this.#socket.cork()
    let isTaken = true
    for (const piece of pieces) isTaken = this.#socket.write(piece)
    this.#socket.uncork()
    return isTaken
  }
}

/** One function for all: none is made for each write. */
function flush(output: Output): void {
  output.flush()
}
