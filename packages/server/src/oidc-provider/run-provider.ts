import type { RequestListener } from 'node:http'
import type { Clock } from '@mini-spire/runtime/clock'
import { checkUnknownKeys } from '@mini-spire/runtime/config/check-unknown-keys'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { domainProblem } from '@mini-spire/runtime/https/host-allowlist'
import { HttpListener } from '@mini-spire/runtime/https/http-listener'
import { findLogLevel } from '@mini-spire/runtime/log/log-level'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { OpenLogOptions } from '@mini-spire/runtime/log/open-log'
import { osErrorText, systemText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { discoveryResponder } from '../oidc/discovery-responder.ts'
import { PublishedKeys } from '../oidc/published-keys.ts'
import { BundleFileSource } from './bundle-file-source.ts'
import { KeyPoller, type KeySource } from './key-poller.ts'
import type { KeySourceConfig, ProviderConfig, ProviderKeys } from './provider-config.ts'
import { providerHealth } from './provider-health.ts'
import { listenAsConfigured } from './provider-listener.ts'
import { providerSchema } from './provider-schema.ts'
import { hostRefusal, providerUrls } from './provider-urls.ts'
import { ServerApiSource } from './server-api-client.ts'
import { WorkloadApiSource } from './workload-api-source.ts'

/** Options of {@link runProvider}. */
export interface RunProviderOptions {
  /** The file as it was read: unknown keys are warned about. */
  readonly keys: ProviderKeys
  readonly openLog: (options: OpenLogOptions) => Logger
  /** Says which roots and proxies are used on the way out. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
  readonly clock: Clock
  /** Ends the provider when it aborts. */
  readonly signal: AbortSignal
}

/**
 * Serves discovery document and keys until the signal aborts, as SPIRE's `oidc-discovery-provider` does.
 *
 * @throws {ConfigError} in SPIRE's words for whatever keeps it from serving
 */
export async function runProvider(
  config: ProviderConfig,
  options: RunProviderOptions,
): Promise<void> {
  const { clock, environment, chance, signal } = options
  const log = openProviderLog(config.log, options.openLog)
  warn(config, options.keys, log)
  const stopping = new AbortController()
  const stop = (): void => stopping.abort()
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  const source = sourceOf(config.source, log)
  const { pollIntervalMs } = config.source
  const poller = new KeyPoller({ source, intervalMs: pollIntervalMs, clock, log })
  const polling = poller.run(stopping.signal)
  try {
    const answer = responder(config, poller, { clock, log })
    const http = new HttpClient({ environment, clock })
    const listener = await listenAsConfigured({ config, answer, http, chance, clock, log })
    const probes = await startHealth(config, poller, { clock, log })
    const running = listener.run(stopping.signal)
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    await running
    await listener[Symbol.asyncDispose]()
    await probes?.[Symbol.asyncDispose]()
    // A script may look for what SPIRE says when it closes what is closed already.
    log.error(`close ${listener.name}: use of closed network connection`)
  } finally {
    stop()
    await polling
  }
}

/** @throws {ConfigError} */
function openProviderLog(
  { level: levelName, format: formatName, path }: ProviderConfig['log'],
  openLog: (options: OpenLogOptions) => Logger,
): Logger {
  const level = findLogLevel(levelName)
  if (!level) throw invalid(`not a valid logrus Level: ${quoteGo(levelName)}`)
  const formats = { '': 'plain', TEXT: 'text', JSON: 'json' } as const
  const format = formats[formatName.toUpperCase() as keyof typeof formats]
  if (!format) throw invalid(`unknown logger format: ${quoteGo(formatName)}`)
  try {
    const file = path === '' ? undefined : path
    return openLog({ level, format, file, hasSourceLocation: false })
  } catch (error) {
    throw invalid(osErrorText('open', path, error))
  }
}

function warn(config: ProviderConfig, keys: ProviderKeys, log: Logger): void {
  if (config.allowsInsecureScheme) {
    log.warn(
      'allow_insecure_scheme is enabled. JWKS keys will be served over HTTP. Only enable this when the network path to the provider is trusted end-to-end (for example, when TLS is terminated at a trusted reverse proxy or load balancer on a private network)',
    )
  }
  const blocks = ['acme', 'serving_cert_file', 'server_api', 'workload_api', 'file'] as const
  const section = { name: 'top-level', decoded: keys, schema: providerSchema, isChecked: false }
  const inner = [...blocks, 'health_checks' as const].map((name) => ({
    name,
    decoded: keys[name],
    schema: providerSchema[name].fields,
    isChecked: false,
  }))
  checkUnknownKeys([section, ...inner], log)
}

/** @throws {ConfigError} for a trust domain that is none */
function sourceOf(config: KeySourceConfig, log: Logger): KeySource {
  switch (config.kind) {
    case 'server_api':
      return new ServerApiSource(config.address, log)
    case 'workload_api':
      return workloadSource(config.socketPath, config.trustDomain, log)
    case 'file':
      return new BundleFileSource(config.path, log)
    default:
      return config satisfies never
  }
}

function workloadSource(socketPath: string, trustDomain: string, log: Logger): KeySource {
  try {
    return new WorkloadApiSource(socketPath, trustDomain, log)
  } catch (error) {
    throw invalid(messageOf(error))
  }
}

interface Common {
  readonly clock: Clock
  readonly log: Logger
}

/** @throws {ConfigError} for a domain that is none */
function responder(
  config: ProviderConfig,
  poller: KeyPoller,
  { clock, log }: Common,
): RequestListener {
  for (const domain of config.domains) {
    const problem = domainProblem(domain)
    if (problem !== undefined) throw invalid(problem)
  }
  const published = new PublishedKeys({ keys: () => poller.keys, clock, log })
  const answer = discoveryResponder({
    pathPrefix: config.pathPrefix,
    urlsFor: providerUrls(config),
    keysRefusal: hostRefusal,
    keySet: () => published.current(),
    setsKeyUse: config.setsKeyUse,
    log,
  })
  if (!config.logsRequests) return answer
  log.info('Logging all requests')
  return (request, response) => {
    const { method, url, headers, socket } = request
    const { remoteAddress, remotePort } = socket
    log.debug('Incoming request', {
      method,
      url,
      'user-agent': headers['user-agent'] ?? '',
      'remote-addr': remoteAddress === undefined ? '@' : `${remoteAddress}:${remotePort}`,
    })
    answer(request, response)
  }
}

/** A port that cannot be had is logged: the documents are served all the same. */
async function startHealth(
  { health, source }: ProviderConfig,
  poller: KeyPoller,
  { clock, log }: Common,
): Promise<AsyncDisposable | undefined> {
  if (!health) return undefined
  const { pollIntervalMs } = source
  const answer = providerHealth({ config: health, poller, pollIntervalMs, clock })
  const listener = new HttpListener({ address: { port: health.bindPort }, answer, clock, log })
  try {
    await listener.listen()
    return listener
  } catch (error) {
    const reason = systemText(error instanceof Error ? error.cause : error)
    log.error(`listen tcp :${health.bindPort}: bind: ${reason || messageOf(error)}`)
    return undefined
  }
}
