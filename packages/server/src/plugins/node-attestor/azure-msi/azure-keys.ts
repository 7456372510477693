import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { listIn, stringIn } from '@mini-spire/runtime/json-fields'

const keptMs = 3_600_000
const maxBytes = 1024 * 1024
const timeoutMs = 10_000

/** Options of {@link AzureKeys}. */
export interface AzureKeysOptions {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  /** The OpenID configuration that names the key set. */
  readonly configurationUrl: string
}

/**
 * The keys that sign tokens of Microsoft's identity platform, by key ID. They are kept for an hour, and after that for as
 * long as there are no newer ones; who asks at the same time shares one request.
 */
export class AzureKeys {
  readonly #options: AzureKeysOptions
  #kept: ReadonlyMap<string, KeyObject> | undefined
  #renewAtMs = Number.NEGATIVE_INFINITY
  #download: Promise<ReadonlyMap<string, KeyObject>> | undefined

  constructor(options: AzureKeysOptions) {
    this.#options = options
  }

  /** @throws {Error} when there are no keys yet, and none can be had */
  async fetch(): Promise<ReadonlyMap<string, KeyObject>> {
    if (this.#kept && this.#options.clock.nowMs() < this.#renewAtMs) return this.#kept
    this.#download ??= this.#renew().finally(() => {
      this.#download = undefined
    })
    return await this.#download
  }

  async #renew(): Promise<ReadonlyMap<string, KeyObject>> {
    try {
      const configuration = await this.#get(this.#options.configurationUrl, 'configuration')
      const url = stringIn(configuration, 'jwks_uri')
      if (url === '') throw new Error('configuration missing JWKS URI')
      if (!url.startsWith('https://')) throw new Error('the JWKS URI is not https')
      this.#kept = readKeys(await this.#get(url, 'key set'))
      this.#renewAtMs = this.#options.clock.nowMs() + keptMs
      return this.#kept
    } catch (error) {
      if (this.#kept) return this.#kept
      throw error
    }
  }

  async #get(url: string, what: string): Promise<unknown> {
    const { status, body } = await this.#options.http.request({ url, maxBytes, timeoutMs })
    if (status !== 200) throw new Error(`unexpected status code ${status}`)
    try {
      return JSON.parse(Buffer.from(body).toString('utf8'))
    } catch (cause) {
      throw new Error(`failed to decode ${what}: not JSON`, { cause })
    }
  }
}

/** The first key of each ID. Keys of a kind that is not known here are left out: no token is checked with them. */
function readKeys(set: unknown): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>()
  for (const jwk of listIn(set, 'keys')) {
    const keyId = stringIn(jwk, 'kid')
    const key = keyId === '' || keys.has(keyId) ? undefined : publicKeyOf(jwk)
    if (key) keys.set(keyId, key)
  }
  return keys
}

function publicKeyOf(jwk: unknown): KeyObject | undefined {
  const member = (name: string): string => stringIn(jwk, name)
  const kty = member('kty')
  const key =
    kty === 'EC'
      ? { kty, crv: member('crv'), x: member('x'), y: member('y') }
      : { kty, n: member('n'), e: member('e') }
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch {
    return undefined
  }
}
