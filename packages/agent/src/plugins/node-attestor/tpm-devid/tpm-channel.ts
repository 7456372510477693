import { type FileHandle, open, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import type { Clock } from '@mini-spire/runtime/clock'
import { systemText } from '@mini-spire/runtime/os-error'
import { Turns } from '@mini-spire/runtime/turns'

/** Longest answer of a TPM; a command is never longer either. */
const maxResponseBytes = 4096
/** Tag, size, code. */
const responseHeaderBytes = 10
/** Making a key takes a slow TPM a minute. */
const timeoutMs = 180_000

/** Options of {@link TpmChannel.open}. */
export interface TpmChannelOptions {
  /** A character device such as `/dev/tpmrm0`, or the Unix socket of an emulator. */
  readonly path: string
  readonly clock: Clock
}

/** A way to a TPM: commands in, responses out, one at a time. Nothing in either is looked at but the size. */
export interface TpmChannel {
  /** @throws {Error} in the system's words, or when no whole response comes in time; the reason of the signal */
  exchange(command: Uint8Array, signal: AbortSignal): Promise<Buffer>
  close(): Promise<void>
}

/**
 * Opens a TPM.
 *
 * @throws {Error} in the system's words
 */
export async function openTpmChannel(options: TpmChannelOptions): Promise<TpmChannel> {
  const { path } = options
  const found = await stat(path).catch((error: unknown) => {
    throw new Error(`stat ${path}: ${systemText(error)}`, { cause: error })
  })
  if (found.isSocket()) return new SocketChannel(options)
  if (!found.isCharacterDevice()) throw new Error(`unsupported TPM file mode ${path}`)
  const file = await open(path, 'r+').catch((error: unknown) => {
    throw new Error(`open ${path}: ${systemText(error)}`, { cause: error })
  })
  return new DeviceChannel(file, options)
}

/** The kernel's device: it keeps what is loaded as long as it stays open. */
class DeviceChannel implements TpmChannel {
  readonly #file: FileHandle
  readonly #clock: Clock
  /** A response that nobody waits for any more must be read before the next command. */
  readonly #turns = new Turns()

  constructor(file: FileHandle, { clock }: TpmChannelOptions) {
    this.#file = file
    this.#clock = clock
  }

  async exchange(command: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    const turn = (): Promise<Buffer> => this.#turns.run(() => this.#ask(command))
    return await withinTime(this.#clock, signal, turn)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #ask(command: Uint8Array): Promise<Buffer> {
    await this.#file.write(command)
    const response = new Response()
    while (!response.isWhole) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(maxResponseBytes))
      response.add(buffer.subarray(0, bytesRead))
    }
    return response.bytes
  }
}

/** An emulator serves one connection at a time, so each command has its own, and others get their turn in between. */
class SocketChannel implements TpmChannel {
  readonly #options: TpmChannelOptions

  constructor(options: TpmChannelOptions) {
    this.#options = options
  }

  async exchange(command: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    const { path, clock } = this.#options
    signal.throwIfAborted()
    const socket = connect(path)
    try {
      return await withinTime(clock, signal, () => ask(socket, command, path))
    } finally {
      socket.destroy()
    }
  }

  async close(): Promise<void> {}
}

async function ask(socket: Socket, command: Uint8Array, path: string): Promise<Buffer> {
  const response = new Response()
  socket.write(command)
  try {
    for await (const chunk of socket) {
      response.add(chunk as Buffer)
      if (response.isWhole) return response.bytes
    }
  } catch (error) {
    throw new Error(`dial unix ${path}: ${systemText(error)}`, { cause: error })
  }
  throw new Error('the TPM closed the connection before it answered')
}

/** Gathers a response, at most as much as there may be. */
class Response {
  #bytes = Buffer.alloc(0)

  get bytes(): Buffer {
    return this.#bytes
  }

  get isWhole(): boolean {
    if (this.#bytes.length < responseHeaderBytes) return false
    const size = this.#bytes.readUInt32BE(2)
    if (size < responseHeaderBytes || size > maxResponseBytes || this.#bytes.length > size) {
      throw new Error(`the TPM answered with a wrong size: ${size}`)
    }
    return this.#bytes.length === size
  }

  add(chunk: Buffer): void {
    if (chunk.length === 0) throw new Error('the TPM closed the connection before it answered')
    if (this.#bytes.length + chunk.length > maxResponseBytes) {
      throw new Error(`the TPM answered with more than ${maxResponseBytes} bytes`)
    }
    this.#bytes = Buffer.concat([this.#bytes, chunk])
  }
}

async function withinTime<T>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  let giveUp: (reason: unknown) => void = () => undefined
  const late = new Promise<never>((_, reject) => {
    giveUp = reject
  })
  const timer = clock.setTimer(timeoutMs, () => giveUp(new Error('the TPM does not answer')))
  const onAbort = (): void => giveUp(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work(), late])
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
  }
}
