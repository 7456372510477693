import { constants, createCipheriv, createHmac, publicEncrypt } from 'node:crypto'
import { tpmAlgorithm, tpmHash } from './algorithms.ts'
import type { TpmPublicArea } from './public-area.ts'
import { TpmError } from './tpm-error.ts'
import { sized, uint32 } from './tpm-writer.ts'

/** A secret that only one TPM gives out, and only while it holds the object it was made for. */
export interface TpmCredential {
  /** TPMS_ID_OBJECT. */
  readonly credential: Uint8Array
  /** The seed, encrypted for the endorsement key. */
  readonly secret: Uint8Array
}

/**
 * Makes a credential (TPM 2.0 Part 1, section 24): the TPM that has the endorsement key gives `value` out only to who has an
 * object loaded in it whose name is `objectName`.
 *
 * @throws {TpmError} `ERR_TPM_UNSUPPORTED` for an endorsement key that is no RSA storage key
 */
export function makeCredential(options: {
  readonly endorsementKey: TpmPublicArea
  readonly objectName: Uint8Array
  /** At most as long as a digest of the endorsement key's name algorithm. */
  readonly value: Uint8Array
  readonly random: (bytes: number) => Uint8Array
}): TpmCredential {
  const { endorsementKey, objectName, value, random } = options
  const hash = tpmHash(endorsementKey.nameAlgorithm)
  const keyBits = endorsementKey.symmetricKeyBits
  if (endorsementKey.type !== tpmAlgorithm.rsa || keyBits === 0) {
    throw new TpmError('ERR_TPM_UNSUPPORTED', 'unsupported algorithm')
  }
  const seed = random(hash.bytes)
  const secret = publicEncrypt(
    {
      key: endorsementKey.toKeyObject(),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: hash.name,
      oaepLabel: Buffer.from('IDENTITY\0'),
    },
    seed,
  )
  const storageKey = deriveKey(hash.name, seed, 'STORAGE', objectName, keyBits)
  const cipher = createCipheriv(`aes-${keyBits}-cfb`, storageKey, Buffer.alloc(16))
  const identity = Buffer.concat([cipher.update(sized(value)), cipher.final()])
  const integrityKey = deriveKey(hash.name, seed, 'INTEGRITY', Buffer.alloc(0), hash.bytes * 8)
  const integrity = createHmac(hash.name, integrityKey).update(identity).update(objectName).digest()
  return { credential: Buffer.concat([sized(integrity), identity]), secret }
}

/** KDFa (TPM 2.0 Part 1, section 11.4.10.2), for at most one digest of output. */
function deriveKey(
  hash: string,
  key: Uint8Array,
  label: string,
  context: Uint8Array,
  bits: number,
): Buffer {
  return createHmac(hash, key)
    .update(uint32(1))
    .update(`${label}\0`)
    .update(context)
    .update(uint32(bits))
    .digest()
    .subarray(0, bits / 8)
}
