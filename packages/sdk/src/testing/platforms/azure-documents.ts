import { strangerKey } from './stranger-key.ts'
import { attestedContent, TestAzureChain, type TestAzureChainOptions } from './test-azure-chain.ts'

/** Every way in which a document can go wrong. */
export const wrongDocuments = [
  'other-root',
  'expired-signer',
  'future-signer',
  'other-name',
  'other-purpose',
  'without-issuer',
  'signer-in-the-bag',
  'in-our-name',
  'second-signer',
  'without-signer',
  'without-content',
  'other-digest',
  'weak-digest',
  'other-nonce',
  'without-nonce',
  'changed',
  'cut',
  'garbage',
  'huge',
] as const

/** What can be wrong with an attested document. */
export type WrongDocument = (typeof wrongDocuments)[number]

/** Of whom a document is, and for whom. */
export interface DocumentSubject {
  readonly nonce: string
  readonly subscriptionId: string
  readonly vmId: string
}

const dayMs = 86_400_000
const hugeBytes = 1_000_000
const clientAuth = '1.3.6.1.5.5.7.3.2'

/** Signs a document as Azure does, or with exactly one thing wrong. */
export function makeAttestedDocument(
  chain: TestAzureChain,
  subject: DocumentSubject,
  wrong?: WrongDocument,
): Buffer {
  const content = attestedContent(subject)
  switch (wrong) {
    case undefined:
      return chain.sign(content)
    case 'other-nonce':
      return chain.sign(attestedContent({ ...subject, nonce: 'a'.repeat(32) }))
    case 'without-nonce':
      return chain.sign({ ...content, nonce: undefined })
    case 'changed': {
      const document = chain.sign(content)
      const at = document.indexOf(subject.vmId)
      document.writeUInt8(document.readUInt8(at) ^ 1, at)
      return document
    }
    case 'cut':
      return chain.sign(content).subarray(0, -8)
    case 'garbage':
      return Buffer.from('no document')
    case 'huge':
      return chain.sign({ ...content, padding: 'x'.repeat(hugeBytes) })
    case 'without-signer':
      return chain.sign(content, {}, { signers: [], certificates: [chain.signer.certificate] })
    case 'without-content':
      return chain.sign(content, {}, { isDetached: true })
    case 'other-digest':
      return chain.sign(content, { signed: Buffer.from('something else') })
    case 'weak-digest':
      return chain.sign(content, { digest: 'sha1', digestName: '1.3.14.3.2.26' })
    default:
      return signByAnother(chain, content, wrong)
  }
}

type WrongSigner = Exclude<
  WrongDocument,
  | 'other-nonce'
  | 'without-nonce'
  | 'changed'
  | 'cut'
  | 'garbage'
  | 'huge'
  | 'without-signer'
  | 'without-content'
  | 'other-digest'
  | 'weak-digest'
>

function signByAnother(chain: TestAzureChain, content: object, wrong: WrongSigner): Buffer {
  const other = (options: Partial<TestAzureChainOptions> = {}): TestAzureChain =>
    new TestAzureChain({ now: chain.now, signerKey: strangerKey(), ...options })
  /** A certificate of the chain's own issuer, and what it says otherwise than the chain's own. */
  const issued = (options: Partial<TestAzureChainOptions>): Buffer =>
    other({ ...options, signedBy: chain.issuer.privateKey }).sign(content)
  const now = +chain.now
  switch (wrong) {
    case 'other-root':
      return other().sign(content)
    case 'expired-signer':
      return issued({ signer: { notAfter: new Date(now - 1000) } })
    case 'future-signer':
      return issued({ signer: { notBefore: new Date(now + dayMs) } })
    case 'other-name':
      return issued({ dnsNames: ['metadata.example.org'] })
    case 'other-purpose':
      return issued({ signer: { extKeyUsage: [clientAuth] } })
    case 'without-issuer':
      return issued({ issuerUrls: [] })
    case 'signer-in-the-bag': {
      const foreign = other()
      const certificates = [chain.signer.certificate, foreign.signer.certificate]
      return foreign.sign(content, {}, { certificates })
    }
    case 'in-our-name':
      return other().sign(content, { certificate: chain.signer.certificate })
    case 'second-signer': {
      const [own, foreign] = [chain.signer, other().signer]
      return chain.sign(content, {}, { signers: [own, foreign] })
    }
    default:
      return wrong satisfies never
  }
}
