import { type Certificate, DerCursor, derOid, derTag } from '@mini-spire/sdk/x509'

/**
 * Bits of a certificate's RSA modulus, 0 for a key of another kind. Reads only: nothing is imported, however large it is.
 *
 * @throws {X509Error} for what is not DER
 */
export function rsaModulusBitsOf(certificate: Certificate): number {
  const fields = DerCursor.over(certificate.spki).enter(derTag.sequence)
  const algorithm = fields.enter(derTag.sequence)
  const oid = algorithm.raw(algorithm.take(derTag.objectIdentifier))
  if (!oid.equals(derOid('1.2.840.113549.1.1.1'))) return 0
  const bits = fields.content(fields.take(derTag.bitString)).subarray(1)
  const key = DerCursor.over(bits).enter(derTag.sequence)
  const modulus = key.content(key.take(derTag.integer))
  const start = modulus.findIndex((byte) => byte !== 0)
  if (start < 0) return 0
  return (modulus.length - start) * 8 - (Math.clz32(modulus[start] ?? 0) - 24)
}
