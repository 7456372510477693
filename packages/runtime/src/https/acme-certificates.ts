import { AcmeAccount } from './acme-account.ts'
import { AcmeCertificate, type AcmeCertificateOptions } from './acme-certificate.ts'
import type { KeyPair, ServingCertificate } from './serving-certificate.ts'

/** Options of {@link AcmeCertificates}. */
export interface AcmeCertificatesOptions
  extends Omit<AcmeCertificateOptions, 'domainName' | 'account'> {
  readonly domainNames: readonly string[]
}

/** Certificates from an ACME authority for several host names, one each, so that one name that cannot be proven spoils no other. */
export class AcmeCertificates implements ServingCertificate {
  readonly #byName: ReadonlyMap<string, AcmeCertificate>

  constructor(options: AcmeCertificatesOptions) {
    const account = new AcmeAccount(options.cacheDirectory)
    this.#byName = new Map(
      options.domainNames.map((domainName) => [
        domainName.toLowerCase(),
        new AcmeCertificate({ ...options, domainName, account }),
      ]),
    )
  }

  /** There is none for nobody in particular. */
  current(): undefined {
    return undefined
  }

  find(serverName: string): KeyPair | undefined {
    return this.#byName.get(serverName.toLowerCase())?.current()
  }

  get isChallenged(): boolean {
    return [...this.#byName.values()].some((one) => one.isChallenged)
  }

  findChallenge(serverName: string): KeyPair | undefined {
    return this.#byName.get(serverName.toLowerCase())?.findChallenge(serverName)
  }

  /** Takes over what an earlier run has got. */
  async load(): Promise<void> {
    for (const one of this.#byName.values()) await one.load()
  }

  /** Orders and renews until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#byName.values()].map((one) => one.run(signal)))
  }
}
