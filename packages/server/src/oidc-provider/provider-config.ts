import { parseGoDuration } from '@mini-spire/runtime/config/go-duration'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import { parseGoUrl } from '@mini-spire/runtime/go-url'
import { messageOf } from '@mini-spire/sdk/errors'
import { type ListenAddress, parseListenAddress } from './listen-address.ts'
import type { providerSchema } from './provider-schema.ts'

/** The provider's file as given: zero values where nothing was. */
export type ProviderKeys = Decoded<typeof providerSchema>

/** Where the keys come from. */
export type KeySourceConfig = { readonly pollIntervalMs: number } & (
  | { readonly kind: 'server_api'; readonly address: string }
  | { readonly kind: 'workload_api'; readonly socketPath: string; readonly trustDomain: string }
  | { readonly kind: 'file'; readonly path: string }
)

/** How the documents are served. */
export type ProviderListenerConfig =
  | { readonly kind: 'plain'; readonly address: string }
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'files'
      readonly address: ListenAddress
      readonly certFile: string
      readonly keyFile: string
      readonly syncIntervalMs: number
    }
  | {
      readonly kind: 'acme'
      readonly address: ListenAddress
      readonly directoryUrl: string
      readonly email: string
      /** Empty: nothing is kept. */
      readonly cacheDirectory: string
    }

/** The `health_checks` block, defaults filled. */
export interface ProviderHealthConfig {
  readonly bindPort: number
  readonly livePath: string
  readonly readyPath: string
}

/** The provider's configuration, checked. What the log needs is checked when it is opened. */
export interface ProviderConfig {
  readonly log: { readonly level: string; readonly format: string; readonly path: string }
  readonly logsRequests: boolean
  readonly domains: readonly string[]
  readonly setsKeyUse: boolean
  readonly allowsInsecureScheme: boolean
  readonly listener: ProviderListenerConfig
  readonly source: KeySourceConfig
  readonly health: ProviderHealthConfig | undefined
  /** Empty: from the host that is asked for. */
  readonly jwtIssuer: string
  readonly jwksUri: string
  readonly pathPrefix: string
}

const secondMs = 1_000
const defaultPollMs = 10 * secondMs

/** Checks a file's keys, in SPIRE's order and with its messages. @throws {ConfigError} for the first thing that is wrong */
export async function resolveProviderConfig(keys: ProviderKeys): Promise<ProviderConfig> {
  const domains = [...new Set(keys.domains)]
  if (domains.length === 0) throw invalid('at least one domain must be configured')
  if (keys.acme) checkAcme(keys)
  const files = keys.serving_cert_file && (await resolveFiles(keys.serving_cert_file))
  const sources = resolveSources(keys)
  const health = keys.health_checks && resolveHealth(keys.health_checks)
  checkListeners(keys)
  if (keys.server_api) checkServerAddress(keys.server_api.address)
  if (keys.workload_api?.socket_path === '') {
    throw invalid('socket_path must be configured in the workload_api configuration section')
  }
  const [source, ...others] = sources
  if (!source) {
    throw invalid(
      'exactly one of the server_api, workload_api, or file sections must be configured',
    )
  }
  if (others.length > 0) {
    throw invalid('the server_api, workload_api, and file sections are mutually exclusive')
  }
  checkUrls(keys)
  return {
    log: { level: keys.log_level || 'info', format: keys.log_format, path: keys.log_path },
    logsRequests: keys.log_requests,
    domains,
    setsKeyUse: keys.set_key_use,
    allowsInsecureScheme: keys.allow_insecure_scheme,
    listener: files ?? (await resolveListener(keys)),
    source,
    health,
    jwtIssuer: keys.jwt_issuer,
    jwksUri: keys.jwks_uri,
    pathPrefix: keys.server_path_prefix || '/',
  }
}

function checkAcme({ acme, insecure_addr }: ProviderKeys): void {
  if (insecure_addr !== '') {
    throw invalid('insecure_addr and the acme section are mutually exclusive')
  }
  if (!acme?.tos_accepted) {
    throw invalid('tos_accepted must be set to true in the acme configuration section')
  }
  if (acme.email === '') throw invalid('email must be configured in the acme configuration section')
}

async function resolveFiles(
  keys: NonNullable<ProviderKeys['serving_cert_file']>,
): Promise<ProviderListenerConfig> {
  const section = 'in the serving_cert_file configuration section'
  for (const key of ['cert_file_path', 'key_file_path'] as const) {
    if (keys[key] === '') throw invalid(`${key} must be configured ${section}`)
  }
  return {
    kind: 'files',
    address: await parseAddress(keys.addr || ':443', `invalid addr ${section}: `),
    certFile: keys.cert_file_path,
    keyFile: keys.key_file_path,
    syncIntervalMs: interval(
      keys.file_sync_interval,
      60 * secondMs,
      `invalid file_sync_interval ${section}: `,
    ),
  }
}

async function parseAddress(text: string, prefix: string): Promise<ListenAddress> {
  try {
    return await parseListenAddress(text)
  } catch (error) {
    throw invalid(prefix + messageOf(error))
  }
}

function resolveSources(keys: ProviderKeys): readonly KeySourceConfig[] {
  const found: KeySourceConfig[] = []
  const poll = (text: string, section: string): number =>
    interval(text, defaultPollMs, `invalid poll_interval in the ${section} configuration section: `)
  if (keys.server_api) {
    const { address, poll_interval } = keys.server_api
    found.push({ kind: 'server_api', address, pollIntervalMs: poll(poll_interval, 'server_api') })
  }
  if (keys.workload_api) {
    const { socket_path: socketPath, trust_domain: trustDomain, poll_interval } = keys.workload_api
    if (trustDomain === '') {
      throw invalid('trust_domain must be configured in the workload_api configuration section')
    }
    const pollIntervalMs = poll(poll_interval, 'workload_api')
    found.push({ kind: 'workload_api', socketPath, trustDomain, pollIntervalMs })
  }
  if (keys.file) {
    const { path, poll_interval } = keys.file
    found.push({ kind: 'file', path, pollIntervalMs: poll(poll_interval, 'file') })
  }
  return found
}

/** A duration that is missing, zero or negative is the default. */
function interval(text: string, defaultMs: number, prefix: string): number {
  if (text === '') return defaultMs
  const parsed = parseGoDuration(text)
  if ('problem' in parsed) throw invalid(prefix + parsed.problem)
  return parsed.ms > 0 ? parsed.ms : defaultMs
}

function resolveHealth(keys: NonNullable<ProviderKeys['health_checks']>): ProviderHealthConfig {
  const [livePath, readyPath] = [keys.live_path || '/live', keys.ready_path || '/ready']
  if (livePath === readyPath) {
    throw invalid('live_path and ready_path must differ in the health_checks configuration section')
  }
  return { bindPort: keys.bind_port > 0 ? keys.bind_port : 8008, livePath, readyPath }
}

function checkListeners(keys: ProviderKeys): void {
  const has = {
    acme: keys.acme !== undefined,
    serving_cert_file: keys.serving_cert_file !== undefined,
    insecure_addr: keys.insecure_addr !== '',
    listen_socket_path: keys.listen_socket_path !== '',
  }
  if (!Object.values(has).includes(true)) {
    throw invalid(
      'either acme, serving_cert_file, insecure_addr or listen_socket_path must be configured',
    )
  }
  const clash = (one: keyof typeof has, other: keyof typeof has, text: string): void => {
    if (has[one] && has[other]) throw invalid(`${text} are mutually exclusive`)
  }
  clash('acme', 'serving_cert_file', 'acme and serving_cert_file')
  clash('acme', 'listen_socket_path', 'listen_socket_path and the acme section')
  clash('serving_cert_file', 'insecure_addr', 'serving_cert_file and insecure_addr')
  clash('serving_cert_file', 'listen_socket_path', 'serving_cert_file and listen_socket_path')
  clash('insecure_addr', 'listen_socket_path', 'insecure_addr and listen_socket_path')
}

function checkServerAddress(address: string): void {
  if (address === '') {
    throw invalid('address must be configured in the server_api configuration section')
  }
  if (!address.startsWith('unix:')) {
    throw invalid('address must use the unix name system in the server_api configuration section')
  }
}

function checkUrls({ jwt_issuer: issuer, jwks_uri: uri }: ProviderKeys): void {
  if (issuer !== '') {
    const url = parseUrl(issuer, 'the jwt_issuer url could not be parsed: ')
    if (url.scheme === '') throw invalid('the jwt_issuer url must contain a scheme')
    if (url.host === '') throw invalid('the jwt_issuer url must contain a host')
  }
  if (uri !== '') {
    const url = parseUrl(uri, 'the jwks_uri setting could not be parsed: ')
    if (url.scheme === '' || url.host === '') {
      throw invalid('the jwks_uri setting could not be parsed: %!w(<nil>)')
    }
  }
}

function parseUrl(text: string, prefix: string): ReturnType<typeof parseGoUrl> {
  try {
    return parseGoUrl(text)
  } catch (error) {
    throw invalid(prefix + messageOf(error))
  }
}

async function resolveListener(keys: ProviderKeys): Promise<ProviderListenerConfig> {
  const { acme, insecure_addr: address, listen_socket_path: path } = keys
  if (address !== '') return { kind: 'plain', address }
  if (path !== '') return { kind: 'socket', path }
  return {
    kind: 'acme',
    address: await parseAddress(
      acme?.addr || ':443',
      'invalid addr in the acme configuration section: ',
    ),
    directoryUrl: acme?.directory_url ?? '',
    email: acme?.email ?? '',
    cacheDirectory: acme?.cache_dir ?? './.acme-cache',
  }
}
