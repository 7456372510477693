import { createSocket, type Socket } from 'node:dgram'
import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock, Timer } from '../clock.ts'
import type { Logger } from '../log/logger.ts'

/** Options of {@link DatagramSender}. */
export interface DatagramSenderOptions {
  readonly host: string
  readonly port: number
  readonly clock: Pick<Clock, 'nowMs'>
  readonly log: Logger
  /** What the log line of a failure says. */
  readonly failure: string
}

/** After a failure nothing is sent for this long: a log line each tenth of a second helps nobody. */
const retryAfterMs = 5_000
/** Datagrams handed to the system that have not left; more are dropped. */
const maxUnsent = 256

/** Sends UDP datagrams to one address. Sending never waits or throws, and does not keep the process alive. */
export class DatagramSender implements AsyncDisposable {
  readonly #options: DatagramSenderOptions
  readonly #socket: Socket
  readonly #idle: (() => void)[] = []
  #unsent = 0
  #silentUntilMs = 0
  #isClosed = false

  constructor(options: DatagramSenderOptions) {
    this.#options = options
    this.#socket = createSocket(options.host.includes(':') ? 'udp6' : 'udp4')
    this.#socket.on('error', (error) => this.#failed(error))
    this.#socket.unref()
  }

  send(datagram: string | Uint8Array): void {
    const { host, port, clock } = this.#options
    const isSilent = clock.nowMs() < this.#silentUntilMs
    if (this.#isClosed || isSilent || this.#unsent >= maxUnsent) return
    this.#unsent++
    this.#socket.send(datagram, port, host, (error) => {
      this.#unsent--
      if (error) this.#failed(error)
      if (this.#unsent === 0) for (const resolve of this.#idle.splice(0)) resolve()
    })
  }

  /** Lets leave what is on its way, and closes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#unsent > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }

  #failed(error: unknown): void {
    const { clock, log, failure } = this.#options
    if (this.#isClosed || clock.nowMs() < this.#silentUntilMs) return
    this.#silentUntilMs = clock.nowMs() + retryAfterMs
    log.error(failure, { error: messageOf(error) })
  }
}

/** Options of {@link DatagramLines}. */
export interface DatagramLinesOptions {
  readonly send: (datagram: string) => void
  /** A datagram is not made longer. */
  readonly maxBytes: number
  readonly clock: Clock
}

const flushIntervalMs = 100

/** Gathers lines of text into datagrams, and sends each when it is full or a tenth of a second old. */
export class DatagramLines implements Disposable {
  readonly #options: DatagramLinesOptions
  #buffer = ''
  #bytes = 0
  #timer: Timer | undefined

  constructor(options: DatagramLinesOptions) {
    this.#options = options
  }

  /** Queues a line, its line feed included. */
  write(line: string): void {
    const { clock, maxBytes } = this.#options
    const bytes = Buffer.byteLength(line)
    if (this.#bytes + bytes > maxBytes) this.#flush()
    this.#buffer += line
    this.#bytes += bytes
    this.#timer ??= clock.setTimer(flushIntervalMs, () => this.#flush())
  }

  /** Sends what is queued. */
  [Symbol.dispose](): void {
    this.#flush()
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const text = this.#buffer
    this.#buffer = ''
    this.#bytes = 0
    if (text !== '') this.#options.send(text)
  }
}
