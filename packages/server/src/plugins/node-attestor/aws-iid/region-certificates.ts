import { type KeyObject, X509Certificate } from 'node:crypto'
import {
  defaultRsa1024Certificate,
  rsa1024Certificates,
  rsa2048Certificates,
} from './published-certificates.ts'

/** Certificates by region, DER in base64. */
export interface CertificateTables {
  readonly rsa1024: Readonly<Record<string, string>>
  readonly rsa2048: Readonly<Record<string, string>>
  /** Signs the `signature` of documents in every other region. */
  readonly defaultRsa1024: string
}

/**
 * What signs instance identity documents, region by region. A region is a stranger's word until a signature has been
 * checked: it finds an entry of the table or nothing.
 */
export class RegionCertificates {
  readonly #rsa1024: ReadonlyMap<string, string>
  readonly #rsa2048: ReadonlyMap<string, string>
  readonly #defaultRsa1024: string

  constructor({ rsa1024, rsa2048, defaultRsa1024 }: CertificateTables) {
    this.#rsa1024 = new Map(Object.entries(rsa1024))
    this.#rsa2048 = new Map(Object.entries(rsa2048))
    this.#defaultRsa1024 = defaultRsa1024
  }

  /** Those of AWS. */
  static published(): RegionCertificates {
    return new RegionCertificates({
      rsa1024: rsa1024Certificates,
      rsa2048: rsa2048Certificates,
      defaultRsa1024: defaultRsa1024Certificate,
    })
  }

  /** The key of `signature`. A region without a certificate of its own has AWS's first one, as in SPIRE. */
  rsa1024Key(region: string): KeyObject {
    const der = this.#rsa1024.get(region) ?? this.#defaultRsa1024
    return new X509Certificate(Buffer.from(der, 'base64')).publicKey
  }

  /** The certificate (DER) whose key signs the PKCS #7 `rsa2048`; undefined for a region that is not known. */
  findRsa2048(region: string): Uint8Array | undefined {
    const der = this.#rsa2048.get(region)
    return der === undefined ? undefined : Buffer.from(der, 'base64')
  }
}
