import { connect, type Socket } from 'node:net'
import {
  type DbusCall,
  decodeReply,
  encodeCall,
  maxMessageBytes,
  messageLength,
  prefixBytes,
} from './dbus-wire.ts'

const greetingLimitBytes = 4096

/** A call that the other side refused; the message is the other side's. */
export class DbusCallError extends Error {}

/** A connection to a message bus, for calls one after the other. */
export class DbusConnection implements Disposable {
  readonly #socket: Socket
  readonly #pieces: AsyncIterator<Buffer>
  #received: Buffer = Buffer.alloc(0)
  #serial = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#pieces = socket[Symbol.asyncIterator]()
  }

  /**
   * Connects, says who we are (EXTERNAL, by the socket's credentials) and asks for a name on the bus.
   *
   * @param address such as `unix:path=/run/dbus/system_bus_socket`
   * @throws {Error} when there is no bus, or it refuses us
   */
  static async open(
    address: string,
    options: { readonly uid: number; readonly signal: AbortSignal },
  ): Promise<DbusConnection> {
    const socket = connect({ path: socketPathOf(address), signal: options.signal })
    // Without a listener a failure between two reads would end the process.
    socket.on('error', () => {})
    const connection = new DbusConnection(socket)
    try {
      await connection.#authenticate(options.uid)
      await connection.call({
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member: 'Hello',
        arguments: [],
      })
      return connection
    } catch (error) {
      connection[Symbol.dispose]()
      throw error
    }
  }

  /**
   * Calls a method and returns the text that it answers, or undefined when its answer is no text.
   *
   * @throws {DbusCallError} when the method fails
   */
  async call(call: DbusCall): Promise<string | undefined> {
    this.#serial += 1
    this.#socket.write(encodeCall(call, this.#serial))
    for (;;) {
      const length = messageLength(await this.#take(prefixBytes, false))
      if (length === undefined) throw new Error('the bus sent a message that cannot be read')
      const reply = decodeReply(await this.#take(length, true))
      if (reply?.replySerial !== this.#serial) continue
      if (reply.errorName !== '') throw new DbusCallError(reply.text ?? reply.errorName)
      return reply.text
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  async #authenticate(uid: number): Promise<void> {
    this.#socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(uid)).toString('hex')}\r\n`)
    let end = this.#received.indexOf('\r\n')
    while (end < 0) {
      if (this.#received.length > greetingLimitBytes) throw new Error('the bus does not answer')
      await this.#more()
      end = this.#received.indexOf('\r\n')
    }
    const answer = this.#received.toString('latin1', 0, end)
    if (!answer.startsWith('OK')) throw new Error(`the bus refused: ${answer.slice(0, 100)}`)
    this.#received = this.#received.subarray(end + 2)
    this.#socket.write('BEGIN\r\n')
  }

  /** Waits for so many bytes; they stay in the buffer unless consumed. */
  async #take(length: number, isConsumed: boolean): Promise<Buffer> {
    while (this.#received.length < length) await this.#more()
    const taken = this.#received.subarray(0, length)
    if (isConsumed) this.#received = this.#received.subarray(length)
    return taken
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#pieces.next()
    if (done) throw new Error('the bus closed the connection')
    this.#received = Buffer.concat([this.#received, value])
    if (this.#received.length > 2 * maxMessageBytes) throw new Error('the bus sends too much')
  }
}

/** @throws {Error} when the address names no socket of this machine */
function socketPathOf(address: string): string {
  for (const one of address.split(';')) {
    const match = /^unix:(?:.*,)?(path|abstract)=([^,]+)/.exec(one)
    if (!match?.[2]) continue
    const path = decodeURIComponent(match[2])
    return match[1] === 'abstract' ? `\0${path}` : path
  }
  throw new Error(`no socket in the bus address ${JSON.stringify(address)}`)
}
