import { type KeyObject, X509Certificate } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'

const maxBytes = 256 * 1024
const timeoutMs = 10_000

/** Options of {@link GoogleKeys}. */
export interface GoogleKeysOptions {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  /** Where Google publishes the certificates of the keys that sign identity tokens. */
  readonly url: string
}

/**
 * The keys that sign identity tokens, by key ID. They are kept for as long as Google says, and asked for each time when it
 * does not; who asks at the same time shares one request. Keys that could not be renewed are not used any longer.
 */
export class GoogleKeys {
  readonly #options: GoogleKeysOptions
  #kept: ReadonlyMap<string, KeyObject> = new Map()
  #expiresAtMs = Number.NEGATIVE_INFINITY
  #download: Promise<ReadonlyMap<string, KeyObject>> | undefined

  constructor(options: GoogleKeysOptions) {
    this.#options = options
  }

  /** @throws {Error} when there is no answer, or one that holds no certificates */
  async fetch(): Promise<ReadonlyMap<string, KeyObject>> {
    if (this.#options.clock.now().getTime() <= this.#expiresAtMs) return this.#kept
    this.#download ??= this.#fetchAnew().finally(() => {
      this.#download = undefined
    })
    return await this.#download
  }

  async #fetchAnew(): Promise<ReadonlyMap<string, KeyObject>> {
    const { http, url } = this.#options
    const { status, headers, body } = await http.request({ url, maxBytes, timeoutMs })
    if (status !== 200) throw new Error(`unexpected status code: ${status}`)
    this.#kept = readCertificates(body)
    const expiresAtMs = Date.parse(headers.expires ?? '')
    this.#expiresAtMs = Number.isNaN(expiresAtMs) ? Number.NEGATIVE_INFINITY : expiresAtMs
    return this.#kept
  }
}

function readCertificates(body: Uint8Array): ReadonlyMap<string, KeyObject> {
  const what = 'unable to unmarshal certificate response'
  let answer: unknown
  try {
    answer = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (cause) {
    throw new Error(`${what}: not JSON`, { cause })
  }
  if (typeof answer !== 'object' || answer === null) throw new Error(`${what}: not an object`)
  const keys = new Map<string, KeyObject>()
  for (const [keyId, pem] of Object.entries(answer)) {
    try {
      keys.set(keyId, new X509Certificate(pem).publicKey)
    } catch (cause) {
      throw new Error(`${what}: malformed certificate PEM`, { cause })
    }
  }
  return keys
}
