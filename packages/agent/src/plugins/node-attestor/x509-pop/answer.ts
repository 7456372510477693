import { constants, type KeyObject, randomBytes, sign } from 'node:crypto'
import { messageOf } from '@mini-spire/sdk/errors'
import { NodeAttestorError } from '../node-attestor-error.ts'

const nonceBytes = 32

/** The challenge's two members; the server fills the one for the key it was shown. */
interface Challenge {
  readonly rsa_signature?: { readonly nonce?: unknown } | null
  readonly ecdsa_signature?: { readonly nonce?: unknown } | null
}

/**
 * Answers an x509pop challenge: a signature over the server's nonce and one of our own, so that the server cannot choose what
 * is signed.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CHALLENGE`
 */
export function answerChallenge(key: KeyObject, challenge: Uint8Array): Uint8Array {
  const { rsa_signature, ecdsa_signature } = parseChallenge(challenge)
  const ownNonce = randomBytes(nonceBytes)
  const answer = { rsa_signature: null as unknown, ecdsa_signature: null as unknown }
  switch (key.asymmetricKeyType) {
    case 'rsa':
      answer.rsa_signature = signRsa(key, nonceOf(rsa_signature, 'RSA'), ownNonce)
      break
    case 'ec':
      answer.ecdsa_signature = signEcdsa(key, nonceOf(ecdsa_signature, 'ECDSA'), ownNonce)
      break
    default:
      throw refuse(`unsupported private key type ${key.asymmetricKeyType}`)
  }
  return Buffer.from(JSON.stringify(answer))
}

function parseChallenge(bytes: Uint8Array): Challenge {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
    throw new TypeError('not a JSON object')
  } catch (error) {
    throw new NodeAttestorError(
      'x509pop',
      'ERR_NODE_ATTESTOR_CHALLENGE',
      `unable to unmarshal challenge: ${messageOf(error)}`,
    )
  }
}

function nonceOf(part: { readonly nonce?: unknown } | null | undefined, kind: string): Uint8Array {
  if (!part) throw refuse(`expecting ${kind} challenge`)
  const nonce = typeof part.nonce === 'string' ? Buffer.from(part.nonce, 'base64') : undefined
  if (nonce?.length !== nonceBytes) throw refuse('invalid challenge nonce')
  return nonce
}

function signRsa(key: KeyObject, theirs: Uint8Array, own: Uint8Array): unknown {
  const signature = sign('sha256', Buffer.concat([theirs, own]), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN,
  })
  return { nonce: base64(own), signature: base64(signature) }
}

function signEcdsa(key: KeyObject, theirs: Uint8Array, own: Uint8Array): unknown {
  const signature = sign('sha256', Buffer.concat([theirs, own]), { key, dsaEncoding: 'ieee-p1363' })
  const half = signature.length / 2
  return {
    nonce: base64(own),
    r: base64(withoutLeadingZeros(signature.subarray(0, half))),
    s: base64(withoutLeadingZeros(signature.subarray(half))),
  }
}

function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0)
  return first < 0 ? new Uint8Array() : bytes.subarray(first)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function refuse(reason: string): NodeAttestorError {
  return new NodeAttestorError(
    'x509pop',
    'ERR_NODE_ATTESTOR_CHALLENGE',
    `failed to calculate challenge response: ${reason}`,
  )
}
