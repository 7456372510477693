import { isIP } from 'node:net'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { AgentFile } from './agent-file.ts'
import type { BootstrapSource } from './resolved-config.ts'

type AgentKeys = AgentFile['agent']

/**
 * Where the first bundle comes from: exactly one source, or insecure on purpose.
 *
 * @throws {ConfigError}
 */
export function resolveBootstrap(keys: AgentKeys): BootstrapSource {
  checkWorkloadApi(keys)
  checkCombination(keys)
  const format = keys.trust_bundle_format
  if (format !== 'pem' && format !== 'spiffe') {
    throw invalid('invalid value for trust_bundle_format, expected "pem" or "spiffe"')
  }
  if (keys.trust_bundle_unix_socket !== '' && keys.trust_bundle_url === '') {
    throw invalid('if trust_bundle_unix_socket is specified, so must be trust_bundle_url')
  }
  if (keys.trust_bundle_url !== '') {
    checkUrl(keys.trust_bundle_url, keys.trust_bundle_unix_socket !== '')
    const unixSocket = keys.trust_bundle_unix_socket || undefined
    return { kind: 'url', url: keys.trust_bundle_url, format, unixSocket }
  }
  if (keys.trust_bundle_path !== '') return { kind: 'file', path: keys.trust_bundle_path, format }
  return keys.trust_bundle_spiffe_workload_api === ''
    ? { kind: 'insecure' }
    : { kind: 'workload-api', address: keys.trust_bundle_spiffe_workload_api }
}

function checkWorkloadApi(keys: AgentKeys): void {
  const address = keys.trust_bundle_spiffe_workload_api
  if (address === '') return
  const others: readonly (readonly [string, boolean])[] = [
    ['insecure_bootstrap', keys.insecure_bootstrap],
    ['trust_bundle_url', keys.trust_bundle_url !== ''],
    ['trust_bundle_path', keys.trust_bundle_path !== ''],
  ]
  for (const [name, isSet] of others) {
    if (!isSet) continue
    throw invalid(
      `only one of ${name} or trust_bundle_spiffe_workload_api can be specified, not both`,
    )
  }
  if (keys.trust_bundle_unix_socket !== '') {
    throw invalid('trust_bundle_unix_socket can not be used with trust_bundle_spiffe_workload_api')
  }
  const problem = endpointProblem(address)
  if (problem === undefined) return
  throw invalid(
    `trust_bundle_spiffe_workload_api is not a valid SPIFFE Workload API endpoint address: ${problem}`,
  )
}

function checkCombination(keys: AgentKeys): void {
  const hasUrl = keys.trust_bundle_url !== ''
  const hasPath = keys.trust_bundle_path !== ''
  if (keys.insecure_bootstrap) {
    const only = 'only one of insecure_bootstrap'
    if (hasUrl && hasPath) {
      throw invalid(
        `${only}, trust_bundle_url, or trust_bundle_path can be specified, not the three options`,
      )
    }
    if (hasUrl) throw invalid(`${only} or trust_bundle_url can be specified, not both`)
    if (hasPath) throw invalid(`${only} or trust_bundle_path can be specified, not both`)
  } else if (!hasPath && !hasUrl && keys.trust_bundle_spiffe_workload_api === '') {
    throw invalid(
      'trust_bundle_path, trust_bundle_url, or trust_bundle_spiffe_workload_api must be configured unless insecure_bootstrap is set',
    )
  }
  if (hasUrl && hasPath) {
    throw invalid('only one of trust_bundle_url or trust_bundle_path can be specified, not both')
  }
}

function checkUrl(text: string, isOverSocket: boolean): void {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase() ?? ''
  if (!URL.canParse(text) && scheme !== '') {
    throw invalid(`unable to parse trust bundle URL: parse ${quoteGo(text)}: invalid URL`)
  }
  if (!isOverSocket) {
    if (scheme !== 'https') throw invalid('trust bundle URL must start with https://')
    return
  }
  if (scheme !== 'http') {
    throw invalid(
      'trust bundle URL must start with http:// when used with trust bundle unix socket',
    )
  }
  for (const name of new URL(text).searchParams.keys()) {
    const reserved = ['spiffe-', 'spire-'].find((prefix) => name.startsWith(prefix))
    if (reserved !== undefined) {
      throw invalid(`trust_bundle_url query params can not start with ${reserved}`)
    }
  }
}

/** What is wrong with a Workload API address, or undefined [Workload Endpoint 4]. */
function endpointProblem(address: string): string | undefined {
  const parts = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?$/.exec(address)
  const scheme = parts?.[1]?.toLowerCase() ?? ''
  if (!parts || (scheme !== 'tcp' && scheme !== 'unix')) {
    return 'workload endpoint socket URI must have a "tcp" or "unix" scheme'
  }
  const [, , slashes, authority = '', path = '', query, fragment] = parts
  const what = `workload endpoint ${scheme} socket URI`
  if (slashes === undefined && !path.startsWith('/')) return `${what} must not be opaque`
  if (authority.includes('@')) return `${what} must not include user info`
  if (scheme === 'tcp') {
    if (authority === '') return `${what} must include a host`
    if (path !== '') return `${what} must not include a path`
  } else {
    // A host is ignored here, as go-spiffe ignores it.
    if (path === '') return `${what} must include a path`
  }
  if (query !== undefined && query !== '?') return `${what} must not include query values`
  if (fragment !== undefined && fragment !== '#') return `${what} must not include a fragment`
  return scheme === 'tcp' ? tcpProblem(what, authority) : undefined
}

function tcpProblem(what: string, authority: string): string | undefined {
  const [, host = '', port = ''] = /^(.*?)(?::(\d*))?$/.exec(authority) ?? []
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) === 0) return `${what} host component must be an IP:port`
  return port === '' ? `${what} host component must include a port` : undefined
}
