import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import { type Certificate, parseCertificate, pemDecode } from '@mini-spire/sdk/x509'
import { issuerUrlOf } from './issuer-url.ts'

const host = 'www.microsoft.com'
const timeoutMs = 10_000
const maxBytes = 64 * 1024
const maxKept = 32
const maxUnderWay = 16
const keptMs = 86_400_000
const maxShownHostLength = 64

/** Options of {@link MicrosoftIssuers}. */
export interface MicrosoftIssuersOptions {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
}

interface Kept {
  readonly issuer: Certificate
  readonly untilMs: number
}

/**
 * Certificates of the authorities that issue Azure's signing certificates, from where those certificates say: on one host
 * only, without redirects, and kept for a day. Nothing that comes is trusted: the caller checks the chain.
 */
export class MicrosoftIssuers {
  readonly #options: MicrosoftIssuersOptions
  readonly #kept = new Map<string, Kept>()
  readonly #underWay = new Map<string, Promise<Certificate>>()

  constructor(options: MicrosoftIssuersOptions) {
    this.#options = options
  }

  /** @throws {Error} when the certificate names no usable place, or there is no certificate there */
  async fetchIssuerOf(certificate: Certificate): Promise<Certificate> {
    const url = checkedUrl(issuerUrlOf(certificate))
    const kept = this.#kept.get(url)
    if (kept && this.#options.clock.nowMs() < kept.untilMs) return kept.issuer
    return await this.#shared(url)
  }

  /** Who asks at the same time shares one request; what strangers make us ask for at one time has a limit. */
  async #shared(url: string): Promise<Certificate> {
    const underWay = this.#underWay.get(url)
    if (underWay) return await underWay
    if (this.#underWay.size >= maxUnderWay) throw new Error('too many are being fetched')
    const fetching = this.#fetch(url).finally(() => this.#underWay.delete(url))
    this.#underWay.set(url, fetching)
    return await fetching
  }

  async #fetch(url: string): Promise<Certificate> {
    const issuer = parse(await this.#get(url))
    this.#kept.delete(url)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= maxKept && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(url, { issuer, untilMs: this.#options.clock.nowMs() + keptMs })
    return issuer
  }

  async #get(url: string): Promise<Uint8Array> {
    const what = 'failed to fetch intermediate certificate'
    const answer = await this.#options.http
      .request({ url, timeoutMs, maxBytes })
      .catch((cause: unknown) => {
        throw new Error(`${what}: ${messageOf(cause)}`, { cause })
      })
    if (answer.status === 200) return answer.body
    throw new Error(`${what}, status: ${answer.status}`)
  }
}

/** The signer's certificate is the agent's word until its chain is checked: it chooses a page of one host, no more. */
function checkedUrl(text: string | undefined): string {
  if (text === undefined) {
    throw new Error('failed to extract CA Issuers URL: no CA Issuers URL found in certificate')
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url) throw new Error('failed to extract CA Issuers URL: failed to parse CA Issuers URL')
  if (url.host !== host) {
    const shown = quoteGo(url.host.slice(0, maxShownHostLength))
    throw new Error(`CA Issuers URL host ${shown} does not match expected value ${quoteGo(host)}`)
  }
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw new Error('CA Issuers URL is not a plain http or https URL')
  }
  return url.href
}

function parse(body: Uint8Array): Certificate {
  const isPem = Buffer.from(body.subarray(0, 11)).toString('latin1') === '-----BEGIN '
  try {
    if (!isPem) return parseCertificate(body)
    const [der] = pemDecode(Buffer.from(body).toString('latin1'), 'CERTIFICATE')
    if (der) return parseCertificate(der)
  } catch (cause) {
    throw new Error(`failed to parse intermediate certificate: ${messageOf(cause)}`, { cause })
  }
  throw new Error('failed to decode intermediate certificate as PEM')
}
