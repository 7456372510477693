import type { AddressInfo, Server } from 'node:net'
import { plainAddress } from '../client-address.ts'
import { systemText } from '../os-error.ts'
import { ListenError } from './listen-error.ts'

/** Where a listener is to be found. */
export interface TcpPlace {
  /** @default every address */
  readonly host?: string | undefined
  readonly port: number
  readonly backlog?: number
}

/** What Go listens on with both families: written like this in many a configuration, and IPv6-only clusters rely on it. */
const wildcards: readonly string[] = ['', '0.0.0.0', '::']

/**
 * Listens as Go does: `0.0.0.0` is every address of IPv4 and of IPv6, where there is IPv6.
 *
 * @returns the address that was bound
 * @throws {ListenError} `ERR_LISTEN_FAILED`, in Go's words
 */
export async function listenOnTcp(
  server: Server,
  { host = '', port, backlog }: TcpPlace,
): Promise<{ readonly host: string; readonly port: number }> {
  const at = wildcards.includes(host) ? {} : { host: plainAddress(host) }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const place = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
      const message = `listen tcp ${place}: bind: ${systemText(cause)}`
      reject(new ListenError('ERR_LISTEN_FAILED', message, { cause }))
    })
    server.listen({ ...at, port, ...(backlog !== undefined && { backlog }) }, resolve)
  })
  server.removeAllListeners('error')
  const bound = server.address() as AddressInfo
  return { host: bound.address, port: bound.port }
}
