import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { messageOf } from '@mini-spire/sdk/errors'
import { type Clock, sleep } from '../clock.ts'
import { formatGoDuration } from '../config/go-duration.ts'
import type { Logger } from '../log/logger.ts'
import { osErrorText } from '../os-error.ts'
import { HttpsError } from './https-error.ts'
import type { KeyPair, ServingCertificate } from './serving-certificate.ts'

/** Options of {@link FileCertificate}. */
export interface FileCertificateOptions {
  readonly certFile: string
  readonly keyFile: string
  /** How often the files are read again. */
  readonly syncIntervalMs: number
  readonly clock: Clock
  readonly log: Logger
}

/** A certificate and its key in files, read again now and then. Files that do not fit together are not taken over. */
export class FileCertificate implements ServingCertificate {
  readonly #options: FileCertificateOptions
  #current: KeyPair | undefined

  constructor(options: FileCertificateOptions) {
    this.#options = options
  }

  current(): KeyPair | undefined {
    return this.#current
  }

  /** Reads the files for the first time. @throws {HttpsError} `ERR_HTTPS_CERTIFICATE` */
  async load(): Promise<void> {
    const { certFile, keyFile } = this.#options
    // One after the other: of two files that are missing it is always the first that is named.
    const cert = await readPem(certFile)
    const key = await readPem(keyFile)
    if (cert === this.#current?.cert && key === this.#current.key) return
    try {
      createSecureContext({ cert, key })
    } catch (cause) {
      const message = `certificate ${certFile} and key ${keyFile} cannot be used: ${messageOf(cause)}`
      throw new HttpsError('ERR_HTTPS_CERTIFICATE', message, { cause })
    }
    this.#current = { cert, key }
  }

  /** Reads the files again and again until the signal aborts; a failure is logged, and what was read before stays. */
  async run(signal: AbortSignal): Promise<void> {
    const { syncIntervalMs, clock, log } = this.#options
    log.info('Started watching certificate files', {
      interval: formatGoDuration(BigInt(syncIntervalMs) * 1_000_000n),
    })
    while (await sleep(clock, syncIntervalMs, signal)) {
      const before = this.#current
      try {
        await this.load()
        if (this.#current !== before) log.info('Loaded provided certificate with success')
      } catch (error) {
        log.error(`Failed to load certificate: ${messageOf(error)}`)
      }
    }
    log.info('Stopping file watcher')
  }
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new HttpsError('ERR_HTTPS_CERTIFICATE', osErrorText('open', path, cause), { cause })
  }
}
