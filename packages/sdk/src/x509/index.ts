export {
  Certificate,
  maxCertificateBytes,
  parseCertificate,
  parseCertificates,
} from './certificate.ts'
export { DerCursor, type DerSpan } from './der-reader.ts'
export {
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  derTime,
  derUnsigned,
} from './der-writer.ts'
export { type KeyUsage, readOid, type SubjectAltNames } from './extensions.ts'
export type { NameConstraints, NameSubtrees } from './name-constraints.ts'
export { type PemBlock, parsePem, pemDecode, pemEncode } from './pem.ts'
export {
  keyIdentifier,
  type PublicKey,
  type PublicKeyKind,
  parsePublicKey,
  rsaModulusBits,
} from './public-key.ts'
export { type SignedBytes, verifySignature } from './signature.ts'
export {
  chainLimits,
  checkUsable,
  unknownAuthority,
  type VerifyChainOptions,
  verifyChain,
} from './verify-chain.ts'
export { X509Error, type X509ErrorCode } from './x509-error.ts'
