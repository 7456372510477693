import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { tpmAlgorithm } from '@mini-spire/runtime/tpm/algorithms'
import {
  makeSoftKey,
  type SoftKey,
  softActivate,
  softCertify,
  softName,
  softRoles,
} from '@mini-spire/runtime/tpm/soft-tpm.test-kit'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import {
  makeTestCertificate,
  type TestCertificateOptions,
  type TestIssuer,
  testExtension,
  testName,
} from '@mini-spire/sdk/testing'
import { derElement, derSequence, parseCertificate, pemEncode } from '@mini-spire/sdk/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attestationContext } from '../attestation-context.test-kit.ts'
import { twinOfCertificate } from '../certificate-twin.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import type { NodeAttestation } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { TpmDevIdAttestor } from './tpm-devid.ts'
import { readTpmDevIdConfig } from './tpm-devid-config.ts'

const hourMs = 3_600_000
const p256 = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })

interface Authority extends TestIssuer {
  readonly der: Buffer
}

function certify(
  issuer: TestIssuer,
  options: Partial<TestCertificateOptions> & Pick<TestCertificateOptions, 'publicKey'>,
): Buffer {
  const now = Date.now()
  return makeTestCertificate(issuer, {
    notBefore: new Date(now - hourMs),
    notAfter: new Date(now + hourMs),
    ...options,
  })
}

function makeAuthority(commonName: string, above?: TestIssuer): Authority {
  const { publicKey, privateKey } = p256()
  const self = { name: testName(commonName), privateKey }
  const der = certify(above ?? self, {
    publicKey,
    commonName,
    isCa: true,
    keyUsage: ['keyCertSign'],
  })
  return { ...self, der }
}

/** What endorsement certificates have: a critical name of a kind that says what the TPM is. */
const tpmName = testExtension(
  '2.5.29.17',
  true,
  derSequence(derElement(0xa4, testName('id:00001014'))),
)

const devIdRoot = makeAuthority('devid-root')
const devIdMiddle = makeAuthority('devid-middle', devIdRoot)
const manufacturer = makeAuthority('manufacturer')
const { endorsement, attestation, devId } = softRoles
const ecdsa = [tpmAlgorithm.ecdsa, tpmAlgorithm.sha256] as const

/** Everything that one TPM with one DevID would show. */
interface Machine {
  readonly devId: SoftKey
  readonly attestation: SoftKey
  readonly endorsement: SoftKey
  readonly chain: readonly Uint8Array[]
  readonly endorsementCertificate: Buffer
}

function certifyTpm(key: SoftKey, issuer: TestIssuer = manufacturer): Buffer {
  return certify(issuer, {
    publicKey: key.publicKey,
    commonName: '',
    isCa: false,
    keyUsage: ['keyEncipherment'],
    extKeyUsage: ['2.23.133.8.1'],
    extensions: [tpmName],
  })
}

function makeMachine(kind: 'rsa' | 'ecc' = 'ecc'): Machine {
  const key = makeSoftKey({ ...devId, kind, ...(kind === 'ecc' && { scheme: ecdsa }) })
  const leaf = certify(devIdMiddle, { publicKey: key.publicKey, commonName: 'device-1' })
  const endorsementKey = makeSoftKey(endorsement)
  return {
    devId: key,
    attestation: makeSoftKey(attestation),
    endorsement: endorsementKey,
    chain: [leaf, devIdMiddle.der],
    endorsementCertificate: certifyTpm(endorsementKey),
  }
}

type Fields = Record<string, unknown>
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

function evidenceOf(machine: Machine): Fields {
  const certified = softCertify(machine.attestation.privateKey, machine.devId.area)
  return {
    DevIDCert: machine.chain.map(base64),
    DevIDPub: base64(machine.devId.area),
    EKCert: base64(machine.endorsementCertificate),
    EKPub: base64(machine.endorsement.area),
    AKPub: base64(machine.attestation.area),
    CertifiedDevID: base64(certified.attested),
    CertificationSignature: base64(certified.signature),
  }
}

/** Answers as the TPM would. */
function answerOf(machine: Machine, challenge: Uint8Array): Fields {
  const { DevID, CredActivation } = JSON.parse(Buffer.from(challenge).toString())
  const activated = softActivate(
    machine.endorsement.privateKey,
    softName(machine.attestation.area),
    {
      credential: Buffer.from(CredActivation.Credential, 'base64'),
      secret: Buffer.from(CredActivation.Secret, 'base64'),
    },
  )
  const nonce = Buffer.from(DevID, 'base64')
  return {
    DevID: base64(sign('sha256', nonce, machine.devId.privateKey)),
    CredActivation: base64(activated),
  }
}

const encode = (fields: unknown): Buffer => Buffer.from(JSON.stringify(fields))

let folder: string
let paths: { readonly devId: string; readonly endorsement: string }
let attestor: TpmDevIdAttestor
const machine = makeMachine()
const otherMachine = makeMachine('rsa')

function configure(text: string): TpmDevIdAttestor {
  const surroundings = { trustDomain: TrustDomain.parse('example.org'), clock: systemClock }
  return new TpmDevIdAttestor(readTpmDevIdConfig(parseConfig(text), surroundings))
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tpm-devid-'))
  paths = { devId: join(folder, 'devid.pem'), endorsement: join(folder, 'endorsement.pem') }
  writeFileSync(paths.devId, pemEncode('CERTIFICATE', devIdRoot.der))
  writeFileSync(paths.endorsement, pemEncode('CERTIFICATE', manufacturer.der))
  attestor = configure(
    `devid_ca_path = "${paths.devId}" endorsement_ca_path = "${paths.endorsement}"`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

nodeAttestorContract({ describe, it, expect }, 'tpm_devid', () => ({
  attestor,
  payload: encode(evidenceOf(machine)),
  answer: (challenge) => encode(answerOf(machine, challenge)),
}))

interface Attempt {
  readonly payload?: Uint8Array
  readonly answer?: (challenge: Uint8Array) => Uint8Array
}

async function attest(of: Machine = machine, attempt: Attempt = {}): Promise<NodeAttestation> {
  const { payload = encode(evidenceOf(of)), answer = (one) => encode(answerOf(of, one)) } = attempt
  return await attestor.attest(payload, attestationContext({ answer }))
}

async function refusal(of: Machine, attempt: Attempt = {}): Promise<readonly [string, string]> {
  try {
    await attest(of, attempt)
  } catch (error) {
    if (error instanceof NodeAttestorError) return [error.code, error.message]
    throw error
  }
  throw new Error('nothing was refused')
}

const changed = (change: Fields, of: Machine = machine): Attempt => ({
  payload: encode({ ...evidenceOf(of), ...change }),
})
const sha1 = (der: Uint8Array): string => createHash('sha1').update(der).digest('hex')

describe('tpm_devid accepts', () => {
  it.each(['rsa', 'ecc'] as const)('a DevID key of the kind %s', async (kind) => {
    const one = kind === 'rsa' ? otherMachine : machine
    expect(await attest(one)).toEqual({
      agentId: `spiffe://example.org/spire/agent/tpm_devid/${sha1(one.chain[0] ?? Buffer.alloc(0))}`,
      selectorValues: [
        'subject:cn:device-1',
        'issuer:cn:devid-middle',
        `ca:fingerprint:${sha1(devIdMiddle.der)}`,
        `ca:fingerprint:${sha1(devIdRoot.der)}`,
      ],
      canReattest: true,
    })
  })

  it('one name for a device, however the signature of its certificate is written', async () => {
    const [leaf = Buffer.of(), middle = Buffer.of()] = machine.chain
    const twin = twinOfCertificate(parseCertificate(leaf), parseCertificate(middle))
    const other = { ...machine, chain: [twin ?? Buffer.of(), middle] }
    const { agentId } = await attest(machine)
    expect((await attest(other)).agentId).not.toBe(agentId)
    const answer = (one: Uint8Array): Uint8Array => encode(answerOf(other, one))
    await expect(
      attestor.attest(
        encode(evidenceOf(other)),
        attestationContext({ answer, attested: [agentId] }),
      ),
    ).rejects.toThrow('certificate has attested an agent already')
  })

  it('a device without a name', async () => {
    const leaf = certify(devIdMiddle, { publicKey: machine.devId.publicKey, commonName: '' })
    const { selectorValues } = await attest({ ...machine, chain: [leaf, devIdMiddle.der] })
    expect(selectorValues[0]).toBe('issuer:cn:devid-middle')
  })
})

describe('tpm_devid refuses a DevID', () => {
  it.each([
    ['that is not shown', changed({ DevIDCert: [] }), 'no DevID certificate to attest'],
    [
      'that is no certificate',
      changed({ DevIDCert: ['AAAA'] }),
      'unable to parse DevID certificate: ',
    ],
    [
      'with an intermediate that is no certificate',
      changed({ DevIDCert: [base64(machine.chain[0] ?? Buffer.alloc(0)), 'AAAA'] }),
      'unable to parse DevID intermediate certificate 0: ',
    ],
    [
      'with a gap below its root',
      changed({ DevIDCert: [base64(machine.chain[0] ?? Buffer.alloc(0))] }),
      unverified(),
    ],
    [
      'with a thousand intermediates',
      changed({ DevIDCert: Array.from({ length: 1000 }, () => base64(devIdMiddle.der)) }),
      'too many DevID certificates',
    ],
    ['of a stranger', changed({ DevIDCert: [base64(strangersLeaf())] }), unverified()],
    [
      'that has expired',
      changed({ DevIDCert: [base64(expiredLeaf()), base64(devIdMiddle.der)] }),
      unverified(),
    ],
  ])('%s', async (_, attempt, message) => {
    expect(await refusal(machine, attempt)).toEqual([
      'ERR_NODE_EVIDENCE_MALFORMED',
      expect.stringContaining(message),
    ])
  })

  it('whose key is not the certified one, although each half of the proof is good', async () => {
    // A stolen key outside of any TPM signs the nonce, while the TPM certifies a key of its own.
    const stolen = p256()
    const leaf = certify(devIdMiddle, { publicKey: stolen.publicKey, commonName: 'device-1' })
    const mixed = { ...machine, chain: [leaf, devIdMiddle.der] }
    expect(await refusal(mixed)).toEqual(
      cannotVerify('DevID key is not the key of the DevID certificate'),
    )
  })

  it.each(['fixedTpm', 'sensitiveDataOrigin'] as const)('that is not %s', async (missing) => {
    const attributes = devId.attributes.filter((one) => one !== missing)
    const key = makeSoftKey({
      ...devId,
      attributes,
      kind: 'ecc',
      scheme: ecdsa,
      keys: machine.devId,
    })
    expect(await refusal({ ...machine, devId: key })).toEqual(
      cannotVerify('DevID key is not fixed to its TPM'),
    )
  })

  function strangersLeaf(): Buffer {
    return certify(makeAuthority('devid-root'), { publicKey: machine.devId.publicKey })
  }
  function expiredLeaf(): Buffer {
    const [notBefore, notAfter] = [new Date(Date.now() - 2 * hourMs), new Date(Date.now() - hourMs)]
    return certify(devIdMiddle, { publicKey: machine.devId.publicKey, notBefore, notAfter })
  }
})

function unverified(): string {
  return 'unable to verify DevID signature: verification failed: x509: '
}

function cannotVerify(why: string): readonly [string, string] {
  return [
    'ERR_NODE_EVIDENCE_MALFORMED',
    `cannot verify that DevID is in the same TPM than AK: ${why}`,
  ]
}

describe('tpm_devid refuses a TPM', () => {
  it.each([
    ['AKPub', 'missing attestation key public blob'],
    ['DevIDPub', 'missing DevID key public blob'],
    ['EKCert', 'missing endorsement certificate'],
    ['EKPub', 'missing endorsement key public blob'],
    ['CertifiedDevID', 'cannot verify that DevID is in the same TPM than AK: '],
    ['CertificationSignature', 'cannot verify that DevID is in the same TPM than AK: '],
  ])('without %s', async (field, message) => {
    for (const value of [undefined, null, '']) {
      expect(await refusal(machine, changed({ [field]: value }))).toEqual([
        'ERR_NODE_EVIDENCE_MALFORMED',
        expect.stringContaining(message),
      ])
    }
  })

  it.each([
    ['DevIDPub', 'cannot decode DevID key public blob: '],
    ['AKPub', 'cannot decode attestation key public blob: '],
    ['EKPub', 'cannot decode endorsement key public blob: '],
    ['EKCert', 'cannot parse endorsement certificate: '],
  ])('with garbage, a cut one or a megabyte for %s', async (field, message) => {
    const whole = Buffer.from(String(evidenceOf(machine)[field]), 'base64')
    const garbage = [
      randomBytes(64),
      whole.subarray(0, -1),
      Buffer.concat([whole, whole]),
      Buffer.alloc(1_000_000),
    ]
    for (const bytes of garbage) {
      expect(await refusal(machine, changed({ [field]: base64(bytes) }))).toEqual([
        'ERR_NODE_EVIDENCE_MALFORMED',
        expect.stringContaining(message),
      ])
    }
  })

  const differs = 'public key in EK certificate differs from public key created via EK template: '
  it('of no known manufacturer', async () => {
    const endorsementCertificate = certifyTpm(machine.endorsement, makeAuthority('manufacturer'))
    expect(await refusal({ ...machine, endorsementCertificate })).toEqual([
      'ERR_NODE_EVIDENCE_MALFORMED',
      'cannot verify EK signature: endorsement certificate verification failed: x509: certificate signed by unknown authority',
    ])
  })

  it('that shows the endorsement certificate of another', async () => {
    const { endorsementCertificate } = otherMachine
    expect(await refusal({ ...machine, endorsementCertificate })).toEqual([
      'ERR_NODE_EVIDENCE_MALFORMED',
      `${differs}modulus mismatch`,
    ])
  })

  it('whose endorsement key has another exponent', async () => {
    const area = Buffer.from(machine.endorsement.area)
    area.writeUInt32BE(3, area.length - 256 - 2 - 4)
    expect(await refusal({ ...machine, endorsement: { ...machine.endorsement, area } })).toEqual([
      'ERR_NODE_EVIDENCE_MALFORMED',
      `${differs}exponent mismatch`,
    ])
  })

  it('whose endorsement key is of another kind', async () => {
    const curve = makeSoftKey({ ...endorsement, kind: 'ecc' })
    const certificate = { ...machine, endorsementCertificate: certifyTpm(curve) }
    expect((await refusal(certificate))[1]).toBe(`${differs}key from certificate is not an RSA key`)
    const area = { ...machine, endorsement: curve }
    expect((await refusal(area))[1]).toBe(`${differs}key from template is not an RSA key`)
  })

  it('whose endorsement key could not open a credential', async () => {
    const { symmetricKeyBits: _, ...signer } = endorsement
    const key = makeSoftKey({ ...signer, keys: machine.endorsement })
    expect(await refusal({ ...machine, endorsement: key })).toEqual([
      'ERR_NODE_ATTESTOR_FAILED',
      'cannot generate credential activation challenge: unsupported algorithm',
    ])
  })

  it('with an endorsement certificate that asks for what nobody here knows', async () => {
    const unknown = testExtension('1.2.3.4', true, derSequence())
    const endorsementCertificate = certify(manufacturer, {
      publicKey: machine.endorsement.publicKey,
      extensions: [tpmName, unknown],
    })
    expect((await refusal({ ...machine, endorsementCertificate }))[1]).toContain(
      'unhandled critical extension 1.2.3.4',
    )
  })
})

describe('tpm_devid refuses an attestation key', () => {
  it.each(['restricted', 'sign', 'fixedTpm', 'sensitiveDataOrigin'] as const)(
    'that is not %s',
    async (missing) => {
      const attributes = attestation.attributes.filter((one) => one !== missing)
      const key = makeSoftKey({ ...attestation, attributes, keys: machine.attestation })
      const why = ['restricted', 'sign'].includes(missing)
        ? 'attestation key is not a restricted signing key'
        : 'attestation key is not fixed to its TPM'
      expect(await refusal({ ...machine, attestation: key })).toEqual(cannotVerify(why))
    },
  )

  it('that decrypts as well', async () => {
    const attributes = [...attestation.attributes, 'decrypt' as const]
    const key = makeSoftKey({ ...attestation, attributes, keys: machine.attestation })
    expect(await refusal({ ...machine, attestation: key })).toEqual(
      cannotVerify('attestation key is not a restricted signing key'),
    )
  })

  it('that certifies another key', async () => {
    const other = softCertify(machine.attestation.privateKey, otherMachine.devId.area)
    const attempt = changed({
      CertifiedDevID: base64(other.attested),
      CertificationSignature: base64(other.signature),
    })
    expect(await refusal(machine, attempt)).toEqual(cannotVerify('certify failed'))
  })

  it('that did not sign', async () => {
    const other = softCertify(otherMachine.attestation.privateKey, machine.devId.area)
    const attempt = changed({ CertificationSignature: base64(other.signature) })
    expect(await refusal(machine, attempt)).toEqual(cannotVerify('crypto/rsa: verification error'))
  })
})

describe('tpm_devid refuses an answer', () => {
  const answering = (change: (fields: Fields) => unknown): Attempt => ({
    answer: (challenge) => encode(change(answerOf(machine, challenge))),
  })
  const notPossessed = 'devID challenge verification failed: x509: ECDSA verification failure'
  const notResident = 'credential activation failed: nonces are different'

  it.each([
    [
      'that is not JSON',
      { answer: () => Buffer.from('{') },
      'unable to unmarshall challenges response: ',
    ],
    ['without a signature', answering((all) => ({ ...all, DevID: null })), notPossessed],
    [
      'with garbage',
      answering((all) => ({ ...all, DevID: base64(randomBytes(72)) })),
      notPossessed,
    ],
    ['that was not activated', answering((all) => ({ ...all, CredActivation: null })), notResident],
    [
      'that was activated wrongly',
      answering((all) => ({ ...all, CredActivation: base64(randomBytes(32)) })),
      notResident,
    ],
    [
      'of a megabyte',
      answering((all) => ({ ...all, CredActivation: base64(Buffer.alloc(1_000_000)) })),
      notResident,
    ],
  ])('%s', async (_, attempt, message) => {
    expect(await refusal(machine, attempt)).toEqual([
      'ERR_NODE_EVIDENCE_MALFORMED',
      expect.stringContaining(message),
    ])
  })

  it('to an earlier challenge, in whole or in part', async () => {
    let earlier: Fields = {}
    await attest(machine, {
      answer: (challenge) => {
        earlier = answerOf(machine, challenge)
        return encode(earlier)
      },
    })
    const { DevID, CredActivation } = earlier
    expect(
      (
        await refusal(
          machine,
          answering(() => earlier),
        )
      )[1],
    ).toBe(notPossessed)
    const signature = answering((all) => ({ ...all, DevID }))
    expect((await refusal(machine, signature))[1]).toBe(notPossessed)
    const activation = answering((all) => ({ ...all, CredActivation }))
    expect((await refusal(machine, activation))[1]).toBe(notResident)
  })

  it('of another machine that has this one’s key', async () => {
    const thief = { ...machine, endorsement: otherMachine.endorsement }
    const answer = (challenge: Uint8Array): Buffer => {
      // Its TPM cannot open what was made for this one's: all that is left is to guess.
      expect(() => answerOf(thief, challenge)).toThrow()
      const { DevID } = answerOf(machine, challenge)
      return encode({ DevID, CredActivation: base64(randomBytes(32)) })
    }
    expect((await refusal(machine, { answer }))[1]).toBe(notResident)
  })
})

describe('tpm_devid, whatever byte of the evidence is another,', () => {
  const spread = 7
  /** A TPM that does not give the nonce out is asked; then its owner guesses. */
  const answer = (challenge: Uint8Array): Buffer => {
    try {
      return encode(answerOf(machine, challenge))
    } catch {
      return encode({ CredActivation: base64(randomBytes(32)) })
    }
  }

  it.each(Object.keys(evidenceOf(machine)))('refuses, or finds the same: %s', async (field) => {
    const evidence = evidenceOf(machine)
    const expected = await attest()
    const texts = [evidence[field]].flat().map(String)
    for (const [index, text] of texts.entries()) {
      const whole = Buffer.from(text, 'base64')
      for (let at = 0; at < whole.length; at += spread) {
        const bytes = Buffer.from(whole)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
        const all = texts.with(index, base64(bytes))
        const payload = encode({ ...evidence, [field]: field === 'DevIDCert' ? all : all[0] })
        const found = await attest(machine, { payload, answer }).catch((error: unknown) => error)
        // Nobody vouches for more of the endorsement key than its numbers.
        if (field === 'EKPub' && !(found instanceof Error)) expect(found).toEqual(expected)
        else
          expect(found).toMatchObject({
            code: expect.stringMatching(/^ERR_NODE_(EVIDENCE_MALFORMED|ATTESTOR_FAILED)$/),
          })
        expect(String(found)).not.toContain(base64(bytes))
      }
    }
  })
})

describe('the configuration of tpm_devid is refused', () => {
  it.each([
    ['', 'devid_ca_path is required'],
    ['devid_ca_path = "x"', 'endorsement_ca_path is required'],
    [
      'devid_ca_path = "/missing" endorsement_ca_path = "/missing"',
      'unable to load DevID trust bundle: open /missing: no such file or directory',
    ],
  ])('%s', (text, message) => {
    expect(() => configure(text)).toThrow(
      expect.objectContaining({ code: 'ERR_NODE_ATTESTOR_CONFIG', message }),
    )
  })

  it.each([
    ['', 'no certificates found in file'],
    [pemEncode('PRIVATE KEY', Buffer.of(1)), 'no certificates found in file'],
    [pemEncode('CERTIFICATE', Buffer.of(1)), 'unable to parse certificate in block 0: '],
  ])('with the endorsement bundle %j', (text, message) => {
    const path = join(folder, 'bad.pem')
    writeFileSync(path, text)
    const config = `devid_ca_path = "${paths.devId}" endorsement_ca_path = "${path}"`
    expect(() => configure(config)).toThrow(`unable to load endorsement trust bundle: ${message}`)
  })
})
