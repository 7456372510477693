import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'

/** An authority that Node trusts where nothing else is said, with keys of the kind that are used here. */
export function publicAuthority(): Certificate {
  for (const pem of rootCertificates) {
    const { raw, publicKey } = new X509Certificate(pem)
    if (publicKey.asymmetricKeyType === 'ec') return parseCertificate(raw)
  }
  throw new Error('Node knows no authority')
}
