import { type LookupAddress, lookup } from 'node:dns'
import { connect, isIP, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { messageOf } from '../errors.ts'
import { HttpError } from './http-error.ts'

type AddressCheck = (address: string) => void

/** Where to connect to. */
export interface TcpTarget {
  readonly host: string
  readonly port: number
  /** Throws to refuse an address. */
  readonly checkAddress?: AddressCheck | undefined
  readonly signal: AbortSignal
}

/**
 * Connects by TCP, to an address only that the check lets through.
 *
 * @throws {HttpError} `ERR_HTTP_ADDRESS_REFUSED`
 */
export async function connectTcp(target: TcpTarget): Promise<Socket> {
  const { host, port, checkAddress, signal } = target
  checkHost(host, checkAddress)
  const socket = connect({
    host,
    port,
    ...(checkAddress && { lookup: checkingLookup(checkAddress) }),
  })
  return await opened(socket, 'connect', signal)
}

/**
 * Asks about a host that is an address already; names are asked about when they resolve.
 *
 * @throws {HttpError} `ERR_HTTP_ADDRESS_REFUSED`
 */
export function checkHost(host: string, check: AddressCheck | undefined): void {
  if (check && isIP(host) !== 0) checkAll([host], check)
}

/** Connects to a Unix socket. */
export async function connectUnix(path: string, signal: AbortSignal): Promise<Socket> {
  return await opened(connect({ path }), 'connect', signal)
}

/** Waits until a socket is ready; destroys it when that fails or the signal aborts first. */
export function opened<S extends Duplex>(
  socket: S,
  event: string,
  signal: AbortSignal,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('close', onClose)
      socket.off('error', fail)
      // From here on the request that uses the socket hears of errors; none may end the process.
      socket.on('error', () => {})
    }
    const fail = (error: unknown): void => {
      settle()
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => fail(signal.reason)
    const onClose = (): void => fail(new Error('connection closed'))
    socket.once('error', fail)
    socket.once('close', onClose)
    socket.once(event, () => {
      settle()
      resolve(socket)
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

/** Resolves a name as Node would, and lets its addresses through only if the check lets all of them. */
function checkingLookup(check: AddressCheck): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      const [first] = found ?? []
      if (error || !first) return callback(error, [])
      try {
        checkAll(
          found.map(({ address }) => address),
          check,
        )
      } catch (refusal) {
        return callback(refusal as Error, [])
      }
      if (options.all) callback(null, found)
      else callback(null, first.address, first.family)
    })
  }
}

function checkAll(addresses: readonly string[], check: AddressCheck): void {
  for (const address of addresses) {
    try {
      check(address)
    } catch (cause) {
      throw new HttpError('ERR_HTTP_ADDRESS_REFUSED', messageOf(cause), { cause })
    }
  }
}
