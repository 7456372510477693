import { constants, createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { GoJsonObject } from '../go-json.ts'
import {
  type Challenge,
  checkAnswer,
  encodeChallenge,
  generateChallenge,
} from './proof-of-possession.ts'

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const p256 = ec('P-256')
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const answerOf = (value: unknown): GoJsonObject =>
  GoJsonObject.parse(Buffer.from(JSON.stringify(value)))
const nonce = new Uint8Array(32).fill(7)

function ecdsa(key: KeyObject, challenge: Challenge, own: Uint8Array = nonce) {
  const both = Buffer.concat([challenge.nonce, own])
  const signature = sign('sha256', both, { key, dsaEncoding: 'ieee-p1363' })
  const half = signature.length / 2
  const strip = (bytes: Uint8Array): Uint8Array =>
    bytes.subarray(bytes.findIndex((byte) => byte !== 0))
  return {
    ecdsa_signature: {
      nonce: base64(own),
      r: base64(strip(signature.subarray(0, half))),
      s: base64(strip(signature.subarray(half))),
    },
  }
}

function rsaPss(key: KeyObject, challenge: Challenge, saltLength: number) {
  const both = Buffer.concat([challenge.nonce, nonce])
  const padding = constants.RSA_PKCS1_PSS_PADDING
  const signature = sign('sha256', both, { key, padding, saltLength })
  return { rsa_signature: { nonce: base64(nonce), signature: base64(signature) } }
}

describe('an answer to a challenge is refused', () => {
  const challenge = generateChallenge(p256.publicKey)
  const good = ecdsa(p256.privateKey, challenge).ecdsa_signature
  const bySomebodyElse = ecdsa(ec('P-256').privateKey, challenge)
  const digestSigned = sign(
    'sha256',
    createHash('sha256').update(challenge.nonce).update(nonce).digest(),
    {
      key: p256.privateKey,
      dsaEncoding: 'ieee-p1363',
    },
  )
  it.each([
    ['without a signature', {}, 'expecting ECDSA response'],
    [
      'for another kind of key',
      { rsa_signature: { nonce: base64(nonce) } },
      'expecting ECDSA response',
    ],
    [
      'with a short nonce',
      { ecdsa_signature: { ...good, nonce: base64(nonce.subarray(1)) } },
      'invalid response nonce',
    ],
    [
      'with an empty signature',
      { ecdsa_signature: { ...good, r: '', s: '' } },
      'ECDSA signature verify failed',
    ],
    [
      'with another nonce',
      { ecdsa_signature: { ...good, nonce: base64(new Uint8Array(32)) } },
      'ECDSA signature verify failed',
    ],
    ['signed by another key', bySomebodyElse, 'ECDSA signature verify failed'],
    [
      'with oversized numbers',
      { ecdsa_signature: { ...good, r: base64(new Uint8Array(5000).fill(1)) } },
      'ECDSA signature verify failed',
    ],
    [
      'hashed twice',
      {
        ecdsa_signature: {
          ...good,
          r: base64(digestSigned.subarray(0, 32)),
          s: base64(digestSigned.subarray(32)),
        },
      },
      'ECDSA signature verify failed',
    ],
  ])('%s', (_title, answer, message) => {
    expect(() => checkAnswer(p256.publicKey, challenge, answerOf(answer))).toThrow(message)
  })

  it('when it answered an earlier challenge', () => {
    const earlier = ecdsa(p256.privateKey, challenge)
    expect(() =>
      checkAnswer(p256.publicKey, generateChallenge(p256.publicKey), answerOf(earlier)),
    ).toThrow('ECDSA signature verify failed')
  })

  it('with an RSA signature of another padding', () => {
    const challenge = generateChallenge(rsa.publicKey)
    const signature = sign('sha256', Buffer.concat([challenge.nonce, nonce]), rsa.privateKey)
    const answer = { rsa_signature: { nonce: base64(nonce), signature: base64(signature) } }
    expect(() => checkAnswer(rsa.publicKey, challenge, answerOf(answer))).toThrow(
      'RSA signature verify failed',
    )
  })
})

describe('an answer to a challenge is accepted', () => {
  it.each(['P-224', 'P-256', 'P-384', 'P-521'])('from %s, leading zeros stripped', (curve) => {
    const pair = ec(curve)
    for (let round = 0; round < 40; round++) {
      const challenge = generateChallenge(pair.publicKey)
      const answer = ecdsa(pair.privateKey, challenge)
      expect(() => checkAnswer(pair.publicKey, challenge, answerOf(answer))).not.toThrow()
    }
  })

  it.each([0, 32, 222])('from RSA with a salt of %d bytes', (saltLength) => {
    const challenge = generateChallenge(rsa.publicKey)
    const answer = rsaPss(rsa.privateKey, challenge, saltLength)
    expect(() => checkAnswer(rsa.publicKey, challenge, answerOf(answer))).not.toThrow()
  })
})

describe('generateChallenge', () => {
  it('refuses Ed25519', () => {
    expect(() => generateChallenge(generateKeyPairSync('ed25519').publicKey)).toThrow(
      'unsupported public key type ed25519.PublicKey',
    )
  })

  it('is written with the other kind as null', () => {
    const challenge = generateChallenge(p256.publicKey)
    expect(JSON.parse(new TextDecoder().decode(encodeChallenge(challenge)))).toEqual({
      rsa_signature: null,
      ecdsa_signature: { nonce: base64(challenge.nonce) },
    })
  })
})

describe('GoJsonObject', () => {
  const parse = (text: string): GoJsonObject => GoJsonObject.parse(Buffer.from(text))
  it.each(['', '{', '[]', '1', '"x"'])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow()
  })

  it.each(['"a"', '"-_=="', '"QQ"', '"QQ=="x', '5'])('refuses %s as bytes', (value) => {
    expect(() => parse(`{"a":${value}}`).bytes('a')).toThrow()
  })

  it('reads names in any case, line ends in base64, and null', () => {
    const object = parse('{"CERTIFICATES":["Q\\r\\nQ==",null],"b":null}')
    expect(object.bytesList('certificates')).toEqual([Uint8Array.of(0x41), new Uint8Array()])
    expect(object.bytes('b')).toEqual(new Uint8Array())
    expect(parse('null').object('x')).toBeUndefined()
  })
})
