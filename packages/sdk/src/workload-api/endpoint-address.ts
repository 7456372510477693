import { isIP } from 'node:net'
import { isLongerThanSocketPath } from '../socket-path.ts'
import { WorkloadApiError } from './workload-api-error.ts'

/** The variable that names the Workload API's address when nobody else does [Workload Endpoint 4]. */
export const endpointSocketVariable = 'SPIFFE_ENDPOINT_SOCKET'

function refuse(message: string): WorkloadApiError {
  return new WorkloadApiError('ERR_ENDPOINT_ADDRESS', message)
}

/**
 * The address in `SPIFFE_ENDPOINT_SOCKET`.
 *
 * @throws {WorkloadApiError} `ERR_ENDPOINT_ADDRESS` when it is not set
 */
export function defaultEndpointAddress(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const address = environment[endpointSocketVariable]
  if (address) return address
  throw refuse('workload endpoint socket address is not configured')
}

/**
 * Turns a Workload API address into the target a gRPC client dials: `unix:///run/agent/api.sock` or `tcp://127.0.0.1:8000`.
 * Host names are refused: a name could lead anywhere [Workload Endpoint 4].
 *
 * @throws {WorkloadApiError} `ERR_ENDPOINT_ADDRESS` naming the rule
 */
export function endpointTarget(address: string): string {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(address)
  if (!match && /^[^/?#]*:/.test(address)) {
    throw refuse(
      'workload endpoint socket is not a valid URI: first path segment cannot contain a colon',
    )
  }
  const scheme = match?.[1]?.toLowerCase()
  const rest = match?.[2] ?? ''
  if (scheme === 'unix') return unixTarget(rest)
  if (scheme === 'tcp') return tcpTarget(rest)
  throw refuse('workload endpoint socket URI must have a "tcp" or "unix" scheme')
}

interface UriParts {
  readonly isOpaque: boolean
  readonly userInfo: string | undefined
  readonly host: string
  readonly path: string
  readonly query: string | undefined
  readonly fragment: string | undefined
}

function split(rest: string): UriParts {
  const match = /^(?:\/\/(?:([^@/?#]*)@)?([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(rest)
  const [, userInfo, host = '', path = '', query, fragment] = match ?? []
  const isOpaque = !rest.startsWith('/') && rest !== '' && !/^[?#]/.test(rest)
  return {
    isOpaque,
    userInfo,
    host,
    path,
    query: query || undefined,
    fragment: fragment || undefined,
  }
}

function unixTarget(rest: string): string {
  const uri = split(rest)
  if (uri.isOpaque) throw refuse('workload endpoint unix socket URI must not be opaque')
  if (uri.userInfo !== undefined) {
    throw refuse('workload endpoint unix socket URI must not include user info')
  }
  if (uri.host === '' && uri.path === '') {
    throw refuse('workload endpoint unix socket URI must include a path')
  }
  if (uri.query !== undefined) {
    throw refuse('workload endpoint unix socket URI must not include query values')
  }
  if (uri.fragment !== undefined) {
    throw refuse('workload endpoint unix socket URI must not include a fragment')
  }
  const path = decode(uri.host + uri.path)
  if (isLongerThanSocketPath(path)) {
    throw refuse('workload endpoint unix socket URI has a path that no socket can have')
  }
  return `unix://${path}`
}

function tcpTarget(rest: string): string {
  const uri = split(rest)
  if (uri.isOpaque) throw refuse('workload endpoint tcp socket URI must not be opaque')
  if (uri.userInfo !== undefined) {
    throw refuse('workload endpoint tcp socket URI must not include user info')
  }
  if (uri.host === '') throw refuse('workload endpoint tcp socket URI must include a host')
  if (uri.path !== '') throw refuse('workload endpoint tcp socket URI must not include a path')
  if (uri.query !== undefined) {
    throw refuse('workload endpoint tcp socket URI must not include query values')
  }
  if (uri.fragment !== undefined) {
    throw refuse('workload endpoint tcp socket URI must not include a fragment')
  }
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(uri.host) ?? []
  const ip = bracketed ?? plain ?? ''
  if (isIP(ip) === 0) {
    throw refuse('workload endpoint tcp socket URI host component must be an IP:port')
  }
  if (!port) throw refuse('workload endpoint tcp socket URI host component must include a port')
  return `${isIP(ip) === 6 ? `ipv6:[${ip}]` : `ipv4:${ip}`}:${port}`
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw refuse(`workload endpoint socket is not a valid URI: invalid URL escape in "${path}"`)
  }
}
