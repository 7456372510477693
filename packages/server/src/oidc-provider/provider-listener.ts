import type { RequestListener } from 'node:http'
import type { Clock } from '@mini-spire/runtime/clock'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { ListenError } from '@mini-spire/runtime/grpc/listen-error'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { HttpListener } from '@mini-spire/runtime/https/http-listener'
import { HttpsListener } from '@mini-spire/runtime/https/https-listener'
import {
  openWebCertificate,
  type WebCertificateConfig,
} from '@mini-spire/runtime/https/web-certificate'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { systemText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { type ListenAddress, parseListenAddress } from './listen-address.ts'
import type { ProviderConfig } from './provider-config.ts'

/** Options of {@link listenAsConfigured}. */
export interface ProviderListenerOptions {
  readonly config: Pick<ProviderConfig, 'listener' | 'domains'>
  readonly answer: RequestListener
  readonly http: Pick<HttpClient, 'request'>
  readonly chance: () => number
  readonly clock: Clock
  readonly log: Logger
}

/** An open listener. */
export interface ProviderListener extends AsyncDisposable {
  /** Network and address, as Go names them: `tcp 127.0.0.1:80`. */
  readonly name: string
  /** Keeps the certificate fresh until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Listens where the configuration says. @throws {ConfigError} in Go's words */
export async function listenAsConfigured(
  options: ProviderListenerOptions,
): Promise<ProviderListener> {
  const { config, log } = options
  const { listener } = config
  switch (listener.kind) {
    case 'plain': {
      const address = await listenError('listen tcp: ', () => parseListenAddress(listener.address))
      const http = new HttpListener({ ...options, address })
      const open = await opened(http, address, '')
      log.warn('Serving HTTP (insecure)', { address: listener.address })
      return open
    }
    case 'socket': {
      const { path } = listener
      const http = new HttpListener({ ...options, address: { path, mode: 0o777 } })
      await listenError(`listen unix ${path}: bind: `, () => http.listen())
      log.info('Serving HTTP', { network: 'unix', address: path })
      return listening(http, `unix ${path}`)
    }
    case 'files': {
      const open = await listenOverTls(options, listener.address, {
        certificate: { ...listener, kind: 'https_web_files' },
        certificateFailed: 'failed to load certificate: ',
        listenFailed: 'failed to create listener using certificate from disk: ',
      })
      const fields = { cert_file_path: listener.certFile, address: listener.keyFile }
      log.info('Serving HTTPS using certificate loaded from disk', fields)
      return open
    }
    case 'acme': {
      const acme = { ...listener, domainNames: config.domains, isTosAccepted: true }
      const open = await listenOverTls(options, listener.address, {
        certificate: { kind: 'https_web', acme },
        certificateFailed: '',
        listenFailed: 'failed to create an ACME listener: ',
      })
      log.info('Serving HTTPS via ACME')
      return open
    }
    default:
      return listener satisfies never
  }
}

async function listenOverTls(
  options: ProviderListenerOptions,
  address: ListenAddress,
  how: {
    readonly certificate: WebCertificateConfig
    readonly certificateFailed: string
    readonly listenFailed: string
  },
): Promise<ProviderListener> {
  const { certificate, run } = await listenError(how.certificateFailed, () =>
    openWebCertificate(how.certificate, {
      ...options,
      userAgent: 'SPIRE OIDC Discovery Provider',
      acmeLog: options.log,
    }),
  )
  const https = new HttpsListener({ ...options, ...address, certificate })
  return { ...(await opened(https, address, how.listenFailed)), run }
}

async function opened(
  listener: AsyncDisposable & { listen(): Promise<{ readonly port: number }> },
  { host, text }: ListenAddress,
  prefix: string,
): Promise<ProviderListener> {
  const { port } = await listenError(`${prefix}listen tcp ${text}: bind: `, () => listener.listen())
  const bound = host === undefined ? '[::]' : host.includes(':') ? `[${host}]` : host
  return listening(listener, `tcp ${bound}:${port}`)
}

function listening(listener: AsyncDisposable, name: string): ProviderListener {
  return {
    name,
    run: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => await listener[Symbol.asyncDispose](),
  }
}

/** Words a failure as Go does: a prefix, and what the system says. */
async function listenError<T>(prefix: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const cause = error instanceof ListenError ? error.cause : undefined
    throw invalid(prefix + (cause === undefined ? messageOf(error) : systemText(cause)))
  }
}
