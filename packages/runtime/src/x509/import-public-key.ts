import { createPublicKey, KeyObject, webcrypto } from 'node:crypto'
import { type PublicKey, type PublicKeyKind, X509Error } from '@mini-spire/sdk/x509'

const curveNames: Readonly<Partial<Record<PublicKeyKind, string>>> = {
  'ec-p256': 'P-256',
  'ec-p384': 'P-384',
  'ec-p521': 'P-521',
}

/** OpenSSL 3.5 (Node 24) reads SubjectPublicKeyInfo for less than WebCrypto's own overhead. */
const isRawCheaper = isOlder(process.versions.openssl, 3, 5)

/**
 * Imports a public key that is used once, the cheapest way. On Node 20 an EC point goes through WebCrypto's raw form, 42 µs where a JWK
 * costs 63 and SubjectPublicKeyInfo 95. On Node 24 it is SubjectPublicKeyInfo, as a text: 20 µs where an object, whatever is in it, costs 40,
 * because Node first tries it as a key. The point is checked to be on its curve, which for these curves, whose cofactor is 1, is
 * all there is to check.
 *
 * @throws {X509Error} `ERR_PUBLIC_KEY_MALFORMED`
 */
export async function importPublicKey(publicKey: PublicKey): Promise<KeyObject> {
  const namedCurve = curveNames[publicKey.kind]
  if (namedCurve === undefined) return publicKey.toKeyObject()
  try {
    if (!isRawCheaper) return createPublicKey(publicKeyPem(publicKey))
    const algorithm = { name: 'ECDSA', namedCurve }
    const { subtle } = webcrypto
    return KeyObject.from(
      await subtle.importKey('raw', Buffer.from(publicKey.bits), algorithm, true, ['verify']),
    )
  } catch (error) {
    throw new X509Error('ERR_PUBLIC_KEY_MALFORMED', 'x509: public key is not valid', {
      cause: error,
    })
  }
}

function publicKeyPem({ spki }: PublicKey): string {
  return `-----BEGIN PUBLIC KEY-----\n${Buffer.from(spki).toString('base64')}\n-----END PUBLIC KEY-----\n`
}

function isOlder(version: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number)
  return ownMajor < major || (ownMajor === major && ownMinor < minor)
}
