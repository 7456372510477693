import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { makeTestCertificate, testName } from '../certificate-maker.ts'
import { strangerKey } from './stranger-key.ts'
import { makeSignedData, type TestHolder, type TestSignedData } from './test-signed-data.ts'

/** Fields of an instance identity document; anything else that is put there is signed too. */
export type TestDocument = Readonly<Record<string, unknown>>

/** What an instance of EC2 is told about itself, and what an agent shows. */
export interface TestEvidence {
  readonly document: string
  /** Bare signature of the document, RSA-1024, in base64. */
  readonly signature: string
  /** PKCS #7 with the document in it, RSA-2048, in base64. */
  readonly rsa2048: string
}

/** Certificates by region, DER in base64. */
export interface TestAwsCertificates {
  readonly rsa1024: Readonly<Record<string, string>>
  readonly rsa2048: Readonly<Record<string, string>>
  /** Of the key that signs `signature` in every other region. */
  readonly defaultRsa1024: string
}

/** The keys with which one region signs. */
export interface TestRegion {
  readonly rsa1024: TestHolder
  readonly rsa2048: TestHolder
}

/** Every way in which {@link TestAws.evidence} can go wrong. */
export const wrongEvidence = [
  'changed',
  'of-another',
  'other-key',
  'other-region',
  'unknown-region',
  'in-our-name',
  'signer-in-the-bag',
  'second-signer',
  'without-signer',
  'without-content',
  'other-digest',
  'weak-digest',
  'unsigned',
  'cut',
  'garbage',
  'huge',
] as const

/** What can be wrong with the evidence of an instance. */
export type WrongEvidence = (typeof wrongEvidence)[number]

const usualDocument: TestDocument = {
  accountId: '123456789012',
  architecture: 'x86_64',
  availabilityZone: 'us-west-2a',
  billingProducts: null,
  devpayProductCodes: null,
  marketplaceProductCodes: null,
  imageId: 'ami-0a1b2c3d4e5f60718',
  instanceId: 'i-0123456789abcdef0',
  instanceType: 't3.micro',
  kernelId: null,
  pendingTime: '2026-11-01T10:00:00Z',
  privateIp: '10.0.0.7',
  ramdiskId: null,
  region: 'us-west-2',
  version: '2017-09-30',
}
const otherInstance: TestDocument = { instanceId: 'i-0fedcba9876543210' }
const hugeBytes = 1_000_000
const lineLength = 76

/** Makes an RSA key with a certificate as self-signed as those of AWS. */
export function makeTestSigner(modulusLength: 1024 | 2048, commonName = 'AWS'): TestHolder {
  return selfSigned(generateKeyPairSync('rsa', { modulusLength }).privateKey, commonName)
}

function selfSigned(privateKey: KeyObject, commonName: string): TestHolder {
  const [notBefore, notAfter] = [new Date(0), new Date(4e12)]
  const issuer = { name: testName(commonName), privateKey }
  const options = { publicKey: privateKey, commonName, notBefore, notAfter }
  return { certificate: makeTestCertificate(issuer, options), privateKey }
}

/**
 * AWS, as far as it signs instance identity documents: keys of its own for some regions, and evidence by them, right or
 * wrong.
 *
 * @example
 * const aws = new TestAws(['us-west-2', 'eu-west-1'])
 * const { document, rsa2048 } = aws.evidence({ instanceId: 'i-1' })
 * const wrong = aws.evidence({}, 'second-signer')
 */
export class TestAws {
  readonly regions: ReadonlyMap<string, TestRegion>
  /** Signs `signature` in regions that are not known. */
  readonly defaultSigner: TestHolder = makeTestSigner(1024)
  /** What a verifier must trust in place of AWS. */
  readonly certificates: TestAwsCertificates
  readonly #stranger: TestRegion = {
    rsa1024: makeTestSigner(1024),
    rsa2048: selfSigned(strangerKey(), 'AWS'),
  }

  constructor(regions: readonly string[] = ['us-west-2', 'eu-west-1']) {
    this.regions = new Map(regions.map((name) => [name, makeRegion(`AWS ${name}`)]))
    const table = (kind: keyof TestRegion): Readonly<Record<string, string>> =>
      Object.fromEntries(
        [...this.regions].map(([name, by]) => [name, by[kind].certificate.toString('base64')]),
      )
    this.certificates = {
      rsa1024: table('rsa1024'),
      rsa2048: table('rsa2048'),
      defaultRsa1024: this.defaultSigner.certificate.toString('base64'),
    }
  }

  /** A document as the metadata service prints it. */
  document(change: TestDocument = {}): string {
    const lines = Object.entries({ ...usualDocument, ...change })
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `  ${JSON.stringify(key)} : ${JSON.stringify(value)}`)
    return `{\n${lines.join(',\n')}\n}`
  }

  /** The keys of a region. */
  signersOf(region: string): TestRegion {
    const found = this.regions.get(region)
    if (!found) throw new Error(`no keys for ${region}`)
    return found
  }

  /** The bare signature of a document. */
  signature(document: string, by: TestHolder = this.#usual.rsa1024): string {
    return inLines(sign('sha256', Buffer.from(document), by.privateKey))
  }

  /** The PKCS #7 of a document, as AWS makes it or with changes. */
  rsa2048(document: string, change: Partial<TestSignedData> = {}): string {
    const signers = [{ ...this.#usual.rsa2048, hasAttributes: true }]
    const content = Buffer.from(document)
    const usual = { content, signers, certificates: [], isEndless: true }
    return inLines(makeSignedData({ ...usual, ...change }))
  }

  /** Document and both signatures as the first region gives them, or with exactly one thing wrong. */
  evidence(change: TestDocument = {}, wrong?: WrongEvidence): TestEvidence {
    const document = this.document(change)
    switch (wrong) {
      case undefined:
        return this.#signed(document)
      case 'changed': {
        const good = this.#signed(document)
        return { ...good, document: this.document({ ...change, ...otherInstance }) }
      }
      case 'of-another': {
        const other = this.#signed(this.document({ ...change, ...otherInstance }))
        return { ...other, document }
      }
      case 'other-key':
        return this.#signed(document, this.#stranger)
      case 'other-region':
        return this.#signed(document, [...this.regions.values()][1] ?? this.#stranger)
      case 'unknown-region':
        return this.#signed(this.document({ ...change, region: 'xx-nowhere-1' }))
      case 'unsigned':
        return { document, signature: '', rsa2048: '' }
      case 'cut': {
        const { signature, rsa2048 } = this.#signed(document)
        return { document, signature: signature.slice(0, -8), rsa2048: rsa2048.slice(0, -8) }
      }
      case 'garbage':
        return { document, signature: 'no signature', rsa2048: 'no signature' }
      case 'huge': {
        const padding = 'x'.repeat(hugeBytes)
        return this.#signed(this.document({ ...change, padding }))
      }
      default:
        return { document, signature: '', rsa2048: this.#wrongMessage(document, wrong) }
    }
  }

  get #usual(): TestRegion {
    const [first = this.#stranger] = this.regions.values()
    return first
  }

  #signed(document: string, { rsa1024, rsa2048 }: TestRegion = this.#usual): TestEvidence {
    const signers = [{ ...rsa2048, hasAttributes: true }]
    return {
      document,
      signature: this.signature(document, rsa1024),
      rsa2048: this.rsa2048(document, { signers }),
    }
  }

  /** What can be wrong with a PKCS #7 only. */
  #wrongMessage(document: string, wrong: WrongMessage): string {
    const own = { ...this.#usual.rsa2048, hasAttributes: true }
    const stranger = { ...this.#stranger.rsa2048, hasAttributes: true }
    const inOurName = { ...stranger, certificate: own.certificate }
    const signed = Buffer.from('something else')
    const changes: Readonly<Record<WrongMessage, Partial<TestSignedData>>> = {
      'in-our-name': { signers: [inOurName] },
      'signer-in-the-bag': {
        signers: [stranger],
        certificates: [stranger.certificate, own.certificate],
      },
      'second-signer': { signers: [own, stranger] },
      'without-signer': { signers: [] },
      'without-content': { isDetached: true },
      'other-digest': { signers: [{ ...own, signed }] },
      'weak-digest': { signers: [{ ...own, digest: 'sha1' }] },
    }
    return this.rsa2048(document, changes[wrong])
  }
}

type WrongMessage =
  | 'in-our-name'
  | 'signer-in-the-bag'
  | 'second-signer'
  | 'without-signer'
  | 'without-content'
  | 'other-digest'
  | 'weak-digest'

function makeRegion(commonName: string): TestRegion {
  return { rsa1024: makeTestSigner(1024), rsa2048: makeTestSigner(2048, commonName) }
}

/** Base64 in lines of 76, as the metadata service gives it. */
function inLines(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64')
  return (text.match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []).join('\n')
}
