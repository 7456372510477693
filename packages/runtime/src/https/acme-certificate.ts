import { X509Certificate } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import { writeFileAtomically } from '../atomic-file.ts'
import { Backoff } from '../backoff.ts'
import { type Clock, sleep } from '../clock.ts'
import type { HttpClient } from '../http/http-client.ts'
import type { Logger } from '../log/logger.ts'
import type { AcmeAccount } from './acme-account.ts'
import { orderCertificate } from './acme-order.ts'
import { readIfThere } from './read-if-there.ts'
import type { KeyPair, ServingCertificate } from './serving-certificate.ts'

/** Where certificates come from when nothing else is configured. */
export const defaultAcmeDirectory = 'https://acme-v02.api.letsencrypt.org/directory'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** A new certificate is ordered this long before the old one ends, or when a third of its life is left. */
const renewBeforeMs = 30 * dayMs
/** Between attempts that fail: authorities count those. */
const retry = { initialMs: minuteMs, maxMs: 60 * minuteMs }
/** How often it is looked whether a certificate is due. */
const longestWaitMs = dayMs

/** Options of {@link AcmeCertificate}. */
export interface AcmeCertificateOptions {
  /** @default Let's Encrypt's, for an empty text */
  readonly directoryUrl: string
  readonly domainName: string
  readonly email: string
  readonly isTosAccepted: boolean
  readonly account: AcmeAccount
  /** Where certificate and key are kept between runs; empty: nowhere. */
  readonly cacheDirectory: string
  readonly userAgent: string
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly log: Logger
  /** A number from 0 up to 1, anew at each call. */
  readonly chance: () => number
}

/**
 * A certificate from an ACME authority such as Let's Encrypt, ordered when there is none and renewed ahead of its end. The host is
 * proven on the very port that shows it (TLS-ALPN-01). Keys are files of mode 0600: TLS needs them in this process's hands.
 */
export class AcmeCertificate implements ServingCertificate {
  readonly #options: AcmeCertificateOptions
  #current: KeyPair | undefined
  #proof: KeyPair | undefined

  constructor(options: AcmeCertificateOptions) {
    this.#options = options
  }

  current(): KeyPair | undefined {
    return this.#current
  }

  get isChallenged(): boolean {
    return this.#proof !== undefined
  }

  findChallenge(serverName: string): KeyPair | undefined {
    return serverName === this.#options.domainName.toLowerCase() ? this.#proof : undefined
  }

  /** Takes over what an earlier run has got, if it still can be used. */
  async load(): Promise<void> {
    const { log, isTosAccepted, cacheDirectory } = this.#options
    if (!isTosAccepted) {
      log.warn('ACME Terms of Service have not been accepted. See the `tos_accepted` configurable')
    }
    if (cacheDirectory === '') return
    const text = await readIfThere(this.#cacheFile(), this.#autocertFile())
    if (text === undefined) return
    const at = text.indexOf('-----BEGIN CERTIFICATE-----')
    const [key, cert] = [text.slice(0, at), text.slice(at)]
    try {
      createSecureContext({ key, cert })
      this.#current = { key, cert }
    } catch (error) {
      log.warn('The cached certificate cannot be used', { error: messageOf(error) })
    }
  }

  /** Orders and renews until the signal aborts. A failure is logged, and tried again after a minute, later after an hour. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, chance } = this.#options
    const backoff = new Backoff({ ...retry, clock, chance })
    while (!signal.aborted) {
      let waitMs = this.#dueInMs()
      if (waitMs <= 0) {
        try {
          // Stopping does not wait for an authority that takes its time.
          if (!(await endsBefore(this.#order(), signal))) return
          backoff.reset()
          waitMs = this.#dueInMs()
        } catch (error) {
          log.error('Failed to get a certificate', { error: messageOf(error) })
          waitMs = backoff.next() ?? retry.maxMs
        }
      }
      if (!(await sleep(clock, Math.min(Math.max(waitMs, minuteMs), longestWaitMs), signal))) return
    }
  }

  async #order(): Promise<void> {
    const { directoryUrl, cacheDirectory, domainName, email, log } = this.#options
    if (cacheDirectory !== '') await mkdir(cacheDirectory, { recursive: true, mode: 0o700 })
    if (this.#options.isTosAccepted) {
      log.info('ACME Terms of Service accepted', { directory_url: directoryUrl, email })
    }
    const pair = await orderCertificate({
      ...this.#options,
      directoryUrl: directoryUrl === '' ? defaultAcmeDirectory : directoryUrl,
      accountKey: await this.#options.account.key(),
      prove: (proof) => {
        this.#proof = proof
        return () => {
          this.#proof = undefined
        }
      },
    })
    if (cacheDirectory !== '') {
      await writeFileAtomically(this.#cacheFile(), pair.key + pair.cert, { mode: 0o600 })
    }
    this.#current = pair
    const { validTo: expiration } = new X509Certificate(pair.cert)
    log.info('Certificate obtained', { domain_name: domainName, expiration })
  }

  /** How long until a certificate has to be ordered; 0 or less: now. */
  #dueInMs(): number {
    if (!this.#current) return 0
    const certificate = new X509Certificate(this.#current.cert)
    const endMs = Date.parse(certificate.validTo)
    const lifeMs = endMs - Date.parse(certificate.validFrom)
    return endMs - Math.min(renewBeforeMs, lifeMs / 3) - this.#options.clock.nowMs()
  }

  /** Key, then chain. */
  #cacheFile(): string {
    return `${this.#autocertFile()}.pem`
  }

  /** Where SPIRE's programs keep the same, in the same form. */
  #autocertFile(): string {
    const name = this.#options.domainName.replaceAll(/[^\w.-]/g, '_')
    return join(this.#options.cacheDirectory, name)
  }
}

/** Whether some work ends before the signal aborts. @throws what the work fails with */
async function endsBefore(work: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const aborted = new Promise<boolean>((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true })
  })
  return await Promise.race([work.then(() => true), aborted])
}
