export {
  keyIdentifier,
  type PublicKey,
  type PublicKeyKind,
  parsePublicKey,
  rsaModulusBits,
} from '@mini-spire/sdk/x509'
