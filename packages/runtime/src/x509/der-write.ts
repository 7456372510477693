export {
  derBitString,
  derElement,
  derOid,
  derSequence,
  derTag,
  derTime,
  derUnsigned,
} from '@mini-spire/sdk/x509'
