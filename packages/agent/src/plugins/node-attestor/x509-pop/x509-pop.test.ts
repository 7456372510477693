import {
  constants,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  verify,
} from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { JoinTokenAttestor } from '../join-token/join-token.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import { answerChallenge } from './answer.ts'
import { X509PopAttestor } from './x509-pop.ts'

const signal = new AbortController().signal
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const nonce = randomBytes(32)
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const part = { nonce: nonce.toString('base64') }

nodeAttestorContract({ describe, it, expect }, 'x509pop', () =>
  X509PopAttestor.create({
    kind: 'svid',
    fetch: async () => ({ chain: [Buffer.from('leaf')], privateKey: ec.privateKey }),
  }),
)

describe('an x509pop challenge is refused', () => {
  it.each([
    ['that is not JSON', ec.privateKey, Buffer.from('{'), /unable to unmarshal challenge/],
    ['that is null', ec.privateKey, bytes(null), /unable to unmarshal challenge/],
    [
      'for an RSA key, by an EC key',
      ec.privateKey,
      bytes({ rsa_signature: part }),
      /expecting ECDSA/,
    ],
    [
      'for an EC key, by an RSA key',
      rsa.privateKey,
      bytes({ ecdsa_signature: part }),
      /expecting RSA/,
    ],
    [
      'with a short nonce',
      ec.privateKey,
      bytes({ ecdsa_signature: { nonce: 'AAAA' } }),
      /invalid challenge nonce/,
    ],
    [
      'by a key that cannot sign so',
      generateKeyPairSync('ed25519').privateKey,
      bytes({ ecdsa_signature: part }),
      /unsupported private key type/,
    ],
  ] as const)('%s', (_, key, challenge, message) => {
    expect(() => answerChallenge(key as KeyObject, challenge)).toThrow(
      expect.objectContaining({
        code: 'ERR_NODE_ATTESTOR_CHALLENGE',
        message: expect.stringMatching(message),
      }),
    )
  })
})

describe('an x509pop answer', () => {
  it('by an EC key signs both nonces; r and s have no leading zeros, whatever their length', () => {
    for (let i = 0; i < 300; i++) {
      const { rsa_signature, ecdsa_signature } = JSON.parse(
        Buffer.from(answerChallenge(ec.privateKey, bytes({ ecdsa_signature: part }))).toString(),
      )
      expect(rsa_signature).toBeNull()
      const [own, r, s] = ['nonce', 'r', 's'].map((key) =>
        Buffer.from(ecdsa_signature[key], 'base64'),
      )
      expect([r?.[0], s?.[0]]).not.toContain(0)
      const padded = (b: Buffer): Buffer => Buffer.concat([Buffer.alloc(48 - b.length), b])
      const signature = Buffer.concat([padded(r as Buffer), padded(s as Buffer)])
      expect(
        verify(
          'sha256',
          Buffer.concat([nonce, own as Buffer]),
          { key: ec.publicKey, dsaEncoding: 'ieee-p1363' },
          signature,
        ),
      ).toBe(true)
    }
  })

  it('by an RSA key is PSS over both nonces', () => {
    const { rsa_signature } = JSON.parse(
      Buffer.from(answerChallenge(rsa.privateKey, bytes({ rsa_signature: part }))).toString(),
    )
    const both = Buffer.concat([nonce, Buffer.from(rsa_signature.nonce, 'base64')])
    const key = {
      key: rsa.publicKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_AUTO,
    }
    expect(verify('sha256', both, key, Buffer.from(rsa_signature.signature, 'base64'))).toBe(true)
    const digest = createHash('sha256').update(both).digest()
    expect(verify('sha256', digest, key, Buffer.from(rsa_signature.signature, 'base64'))).toBe(
      false,
    )
  })
})

describe('a node attestor', () => {
  it('x509pop refuses files that are not there when it is made', async () => {
    const create = X509PopAttestor.create({
      kind: 'files',
      privateKeyPath: '/nonexistent/key',
      certificatePath: '/nonexistent/crt',
      intermediatesPath: '',
    })
    await expect(create).rejects.toMatchObject({
      code: 'ERR_NODE_ATTESTOR_CONFIG',
      message:
        'nodeattestor(x509pop): unable to load keypair: open /nonexistent/crt: no such file or directory',
    })
  })

  it('x509pop shows the SVID that it fetches, leaf first', async () => {
    const chain = [Buffer.from([1, 2]), Buffer.from([3])]
    const attestor = await X509PopAttestor.create({
      kind: 'svid',
      fetch: async () => ({ chain, privateKey: ec.privateKey }),
    })
    const { payload, answer } = await attestor.begin({ signal })
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual({ certificates: ['AQI=', 'Aw=='] })
    await expect(answer(Buffer.from('x'))).rejects.toMatchObject({
      code: 'ERR_NODE_ATTESTOR_CHALLENGE',
    })
  })

  it('x509pop says so when it can fetch none', async () => {
    const attestor = await X509PopAttestor.create({
      kind: 'svid',
      fetch: () => Promise.reject(new Error('away')),
    })
    await expect(attestor.begin({ signal })).rejects.toMatchObject({
      message: 'nodeattestor(x509pop): unable to fetch SVID from workload API: away',
    })
  })

  it('join_token shows the token and answers nothing', async () => {
    const { payload, answer } = await new JoinTokenAttestor({ token: 'abc' }).begin()
    expect(Buffer.from(payload).toString()).toBe('abc')
    await expect(answer(new Uint8Array())).rejects.toMatchObject({
      message: 'nodeattestor(join_token): server issued unexpected challenge',
    })
  })

  it('join_token needs a token', async () => {
    await expect(new JoinTokenAttestor({ token: '' }).begin()).rejects.toMatchObject({
      code: 'ERR_NODE_ATTESTOR_CONFIG',
      message: 'nodeattestor(join_token): join token was not provided',
    })
  })
})
