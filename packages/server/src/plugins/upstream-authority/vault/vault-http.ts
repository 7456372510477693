import { readFile } from 'node:fs/promises'
import { type Clock, sleep } from '@mini-spire/runtime/clock'
import {
  type HttpAnswer,
  type HttpClient,
  type HttpClientCertificate,
  HttpError,
} from '@mini-spire/runtime/http/http-client'
import { stringsIn } from '@mini-spire/runtime/json-fields'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'
import type { VaultSettings } from './vault-config.ts'

const timeoutMs = 30_000
const maxBytes = 1024 * 1024
/** How often a call that Vault could not serve is made again, and after what time. */
const retries: readonly number[] = [1000, 1500]
/** How much of what Vault says went wrong is passed on. */
const maxReasons = 4
const maxReasonLength = 256

/** One call to Vault's HTTP API. */
export interface VaultCall {
  readonly method: 'GET' | 'PUT'
  /** Below `/v1/`, without a slash in front. */
  readonly path: string
  readonly body?: Readonly<Record<string, string>>
  /** None before the login. */
  readonly token?: string
}

/** Options of {@link VaultHttp}. */
export interface VaultHttpOptions {
  readonly settings: VaultSettings
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
}

/** Vault's HTTP API: JSON in and out, retried while Vault is away, errors as Vault words them. */
export class VaultHttp {
  readonly #options: VaultHttpOptions

  constructor(options: VaultHttpOptions) {
    this.#options = options
  }

  /**
   * Makes a call.
   *
   * @returns the answer's JSON
   * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_UNAVAILABLE` when Vault cannot be reached or used, `ERR_UPSTREAM_FAILED` when
   *   it refuses; nothing of the request is in the message
   */
  async call(call: VaultCall, signal: AbortSignal): Promise<unknown> {
    for (const delayMs of retries) {
      const answer = await this.#try(call, signal)
      if (!isTransient(answer)) return resultOf(answer)
      await sleep(this.#options.clock, delayMs, signal)
    }
    return resultOf(await this.#try(call, signal))
  }

  async #try(call: VaultCall, signal: AbortSignal): Promise<HttpAnswer | HttpError> {
    try {
      return await this.#send(`${this.#options.settings.address}/v1/${call.path}`, call, signal)
    } catch (error) {
      if (error instanceof HttpError && !signal.aborted) return error
      throw error
    }
  }

  async #send(url: string, call: VaultCall, signal: AbortSignal): Promise<HttpAnswer> {
    const { namespace, skipsVerification } = this.#options.settings
    const { method, body, token } = call
    return await this.#options.http.request({
      url,
      method,
      headers: {
        'x-vault-request': 'true',
        ...(namespace !== '' && { 'x-vault-namespace': namespace }),
        ...(token !== undefined && { 'x-vault-token': token }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(await this.#trust()),
      // Asked for by name in the configuration, for tests.
      ...(skipsVerification && { verifyServer: () => {} }),
      timeoutMs,
      maxBytes,
      signal,
    })
  }

  async #trust(): Promise<{
    readonly roots?: readonly string[]
    readonly clientCertificate?: HttpClientCertificate
  }> {
    const { caPath, auth } = this.#options.settings
    const roots = caPath === undefined ? {} : { roots: [await readText(caPath)] }
    if (auth.method !== 'cert') return roots
    // One after the other: of two files that are missing it is always the first that is named.
    const chain = await readText(auth.certificatePath)
    const key = await readText(auth.keyPath)
    return { ...roots, clientCertificate: { chain, key } }
  }
}

/** Reads a file that the configuration names. @throws {UpstreamAuthorityError} `ERR_UPSTREAM_FAILED` */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const message = osErrorText('open', path, cause)
    throw new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', message, { cause })
  }
}

/** Whether it may be otherwise in a second: Vault is away, sealed, or has not caught up. */
function isTransient(answer: HttpAnswer | HttpError): boolean {
  if (answer instanceof HttpError) return answer.kind === 'unavailable'
  return answer.status === 412 || (answer.status >= 500 && answer.status !== 501)
}

function resultOf(answer: HttpAnswer | HttpError): unknown {
  if (answer instanceof HttpError)
    throw new UpstreamAuthorityError('ERR_UPSTREAM_UNAVAILABLE', answer.message, { cause: answer })
  const { status, statusLine } = answer
  const json = parseJson(answer)
  if (status >= 200 && status < 300) return json
  const code = status >= 500 ? 'ERR_UPSTREAM_UNAVAILABLE' : 'ERR_UPSTREAM_FAILED'
  throw new UpstreamAuthorityError(code, [statusLine, ...reasonsOf(json)].join(': '))
}

function parseJson({ status, body }: HttpAnswer): unknown {
  if (status === 204) return undefined
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    if (status >= 300) return undefined
    // The parser's own text quotes the answer, which may hold a token.
    throw new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', "Vault's answer is not JSON")
  }
}

/** What Vault's `errors` say; they are written for operators and name what was refused. */
function reasonsOf(json: unknown): readonly string[] {
  return stringsIn(json, 'errors')
    .slice(0, maxReasons)
    .map((text) => text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, maxReasonLength))
}
