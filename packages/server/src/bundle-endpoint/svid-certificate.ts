import type { KeyObject } from 'node:crypto'
import type { KeyPair, ServingCertificate } from '@mini-spire/runtime/https/serving-certificate'
import { pemEncode } from '@mini-spire/sdk/x509'

/** A key and its chain, DER, leaf first. */
export interface ShownSvid {
  readonly key: KeyObject
  readonly chain: readonly Uint8Array[]
}

/** Shows the server's own X509-SVID, whichever it is at the moment [SPIFFE Federation 5.2.2]. */
export class SvidCertificate implements ServingCertificate {
  readonly #svid: () => ShownSvid
  #of: ShownSvid | undefined
  #pair: KeyPair | undefined

  constructor(svid: () => ShownSvid) {
    this.#svid = svid
  }

  current(): KeyPair | undefined {
    const svid = this.#svid()
    if (svid !== this.#of) {
      this.#of = svid
      this.#pair = {
        key: svid.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
        cert: svid.chain.map((der) => pemEncode('CERTIFICATE', der)).join(''),
      }
    }
    return this.#pair
  }
}
