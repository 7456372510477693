import type { Clock } from '@mini-spire/runtime/clock'
import { listIn, objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import {
  type AzureCredentialOptions,
  type AzureToken,
  fetchAzureToken,
} from './azure-credentials.ts'

const endpoint = 'https://management.azure.com'
const timeoutMs = 10_000
const maxPages = 50
/** A token is not used in the last minutes of its life. */
const renewBeforeSeconds = 300

/** Options of {@link AzureManagement}. */
export interface AzureManagementOptions extends AzureCredentialOptions {
  readonly clock: Clock
}

/** Azure's management API, as one application or identity sees it. Every method throws when it says no. */
export class AzureManagement {
  readonly #options: AzureManagementOptions
  #token: (AzureToken & { readonly renewAtMs: number }) | undefined

  constructor(options: AzureManagementOptions) {
    this.#options = options
  }

  /** @param path with its query, from the first slash on */
  async get(path: string, signal: AbortSignal): Promise<unknown> {
    return await this.#ask(`${endpoint}${path}`, undefined, signal)
  }

  async post(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    return await this.#ask(`${endpoint}${path}`, JSON.stringify(body), signal)
  }

  /** The members of a list, page by page. */
  async *list(path: string, signal: AbortSignal): AsyncIterable<unknown> {
    let url = `${endpoint}${path}`
    for (let pages = 0; url !== ''; pages++) {
      if (pages === maxPages) throw new Error('too many pages of resources')
      const page = await this.#ask(url, undefined, signal)
      yield* listIn(page, 'value')
      url = nextPage(page)
    }
  }

  async #ask(url: string, json: string | undefined, signal: AbortSignal): Promise<unknown> {
    const authorization = `Bearer ${await this.#accessToken(signal)}`
    const { status, body } = await this.#options.http.request({
      url,
      headers: { authorization, ...(json !== undefined && { 'content-type': 'application/json' }) },
      ...(json !== undefined && { method: 'POST' as const, body: json }),
      timeoutMs,
      signal,
    })
    const answer = parse(body)
    if (status === 200) return answer
    const error = objectIn(answer, 'error')
    throw new Error(`error ${status}: ${stringIn(error, 'code')}: ${stringIn(error, 'message')}`)
  }

  async #accessToken(signal: AbortSignal): Promise<string> {
    const nowMs = this.#options.clock.nowMs()
    if (this.#token && nowMs < this.#token.renewAtMs) return this.#token.value
    const token = await fetchAzureToken(this.#options, signal)
    this.#token = { ...token, renewAtMs: nowMs + (token.lifeSeconds - renewBeforeSeconds) * 1000 }
    return token.value
  }
}

/** Where the list goes on; empty at its end. The token is shown to nobody but the management API. */
function nextPage(page: unknown): string {
  const link = stringIn(page, 'nextLink')
  if (link === '' || link.startsWith(`${endpoint}/`)) return link
  throw new Error('the list of resources goes on at another host')
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}
