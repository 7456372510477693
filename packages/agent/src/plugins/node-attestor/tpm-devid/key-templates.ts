import { createHash } from 'node:crypto'
import { tpmAlgorithm } from '@mini-spire/runtime/tpm/algorithms'
import { objectAttribute } from '@mini-spire/runtime/tpm/public-area'
import { sized, uint16, uint32 } from '@mini-spire/runtime/tpm/tpm-writer'
import { hierarchy } from './tpm.ts'

const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, adminWithPolicy } =
  objectAttribute
const { noDictionaryAttack, restricted, decrypt, sign } = objectAttribute
const fromThisTpm = fixedTpm | fixedParent | sensitiveDataOrigin
const nistP256 = 0x0003
const policySecretCode = 0x151

const aes128Cfb = Buffer.concat([uint16(tpmAlgorithm.aes), uint16(128), uint16(tpmAlgorithm.cfb)])
const none = uint16(tpmAlgorithm.null)
const empty = sized(Buffer.alloc(0))

/** The storage root keys of the TCG's EK credential profile, "high range" (H-1 and H-2): the parents of DevID keys. */
export const storageRootTemplate: {
  readonly rsa: Uint8Array
  readonly ecc: Uint8Array
} = {
  rsa: publicArea({
    type: tpmAlgorithm.rsa,
    attributes: fromThisTpm | userWithAuth | noDictionaryAttack | restricted | decrypt,
    parameters: rsaParameters(aes128Cfb, none, empty),
  }),
  ecc: publicArea({
    type: tpmAlgorithm.ecc,
    attributes: fromThisTpm | userWithAuth | noDictionaryAttack | restricted | decrypt,
    parameters: Buffer.concat([aes128Cfb, none, uint16(nistP256), none, empty, empty]),
  }),
}

/** The endorsement key of the TCG's default template (L-1): manufacturers make its certificate for this very key. */
export const endorsementTemplate: Uint8Array = publicArea({
  type: tpmAlgorithm.rsa,
  attributes: fromThisTpm | adminWithPolicy | restricted | decrypt,
  policy: endorsementPolicy(),
  parameters: rsaParameters(aes128Cfb, none, sized(Buffer.alloc(256))),
})

/** A key that signs what the TPM says, and nothing else. */
export const attestationTemplate: Uint8Array = publicArea({
  type: tpmAlgorithm.rsa,
  attributes: fromThisTpm | userWithAuth | restricted | sign,
  parameters: rsaParameters(
    none,
    Buffer.concat([uint16(tpmAlgorithm.rsaSsa), uint16(tpmAlgorithm.sha256)]),
    empty,
  ),
})

function publicArea(options: {
  readonly type: number
  readonly attributes: number
  readonly policy?: Uint8Array
  readonly parameters: Uint8Array
}): Buffer {
  return Buffer.concat([
    uint16(options.type),
    uint16(tpmAlgorithm.sha256),
    uint32(options.attributes),
    sized(options.policy ?? Buffer.alloc(0)),
    options.parameters,
  ])
}

function rsaParameters(symmetric: Uint8Array, scheme: Uint8Array, unique: Uint8Array): Buffer {
  return Buffer.concat([symmetric, scheme, uint16(2048), uint32(0), unique])
}

/** The digest of PolicySecret(endorsement hierarchy), as TPM2_PolicySecret extends it: twice, the second time by no reference. */
function endorsementPolicy(): Buffer {
  const entity = Buffer.concat([uint32(policySecretCode), uint32(hierarchy.endorsement)])
  const first = createHash('sha256').update(Buffer.alloc(32)).update(entity).digest()
  return createHash('sha256').update(first).digest()
}
