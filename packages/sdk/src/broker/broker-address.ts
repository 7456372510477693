import { isIP } from 'node:net'
import { isLongerThanSocketPath } from '../socket-path.ts'
import { WorkloadApiError } from '../workload-api/index.ts'

/** The variable that names the broker endpoint's address when nobody else does [SPIFFE Broker Endpoint 4]. */
export const brokerSocketVariable = 'SPIFFE_BROKER_SOCKET'

/**
 * The address in `SPIFFE_BROKER_SOCKET`.
 *
 * @throws {WorkloadApiError} `ERR_ENDPOINT_ADDRESS` when it is not set
 */
export function defaultBrokerAddress(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const address = environment[brokerSocketVariable]
  if (address) return address
  throw refuse('broker endpoint socket address is not configured')
}

const dnsName =
  /^(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$/

/**
 * Turns the address of a broker endpoint into the target a gRPC client dials: `unix:///run/broker.sock`, `tcp://127.0.0.1:8443`
 * or, since who answers is verified, a host's name: `tcp://broker.example.com:8443` [SPIFFE Broker Endpoint 4].
 *
 * @throws {WorkloadApiError} `ERR_ENDPOINT_ADDRESS` naming the rule
 */
export function brokerTarget(address: string): string {
  const [, scheme = '', rest = ''] = /^([a-z]+):(.*)$/is.exec(address) ?? []
  if (scheme.toLowerCase() === 'unix') return unixTarget(rest)
  if (scheme.toLowerCase() === 'tcp') return tcpTarget(rest)
  throw refuse('broker endpoint socket URI must have a "tcp" or "unix" scheme')
}

function unixTarget(rest: string): string {
  const path = rest.startsWith('//') ? rest.slice(2) : rest
  if (!path.startsWith('/') || /[?#]/.test(path)) {
    throw refuse('broker endpoint unix socket URI must be an absolute path and nothing else')
  }
  const decoded = decode(path)
  if (isLongerThanSocketPath(decoded)) {
    throw refuse('broker endpoint unix socket URI has a path that no socket can have')
  }
  return `unix://${decoded}`
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw refuse('broker endpoint unix socket URI has an invalid escape')
  }
}

function tcpTarget(rest: string): string {
  const [, bracketed, plain, port] = /^\/\/(?:\[([^\]]*)\]|([^:/?#@]*)):(\d{1,5})$/.exec(rest) ?? []
  const host = bracketed ?? plain ?? ''
  const isHost = bracketed === undefined ? isIP(host) === 4 || dnsName.test(host) : isIP(host) === 6
  if (!isHost || Number(port) < 1 || Number(port) > 65_535) {
    throw refuse('broker endpoint tcp socket URI must be a host, a port and nothing else')
  }
  if (isIP(host) === 0) return `dns:${host}:${port}`
  return isIP(host) === 6 ? `ipv6:[${host}]:${port}` : `ipv4:${host}:${port}`
}

function refuse(message: string): WorkloadApiError {
  return new WorkloadApiError('ERR_ENDPOINT_ADDRESS', message)
}
