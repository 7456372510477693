import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { derElement, derOid, derSequence, pemEncode } from '../../x509/index.ts'
import {
  makeTestCertificate,
  type TestCertificateOptions,
  testExtension,
  testName,
} from '../certificate-maker.ts'
import {
  makeSignedData,
  sha256WithRsa,
  type TestHolder,
  type TestSignedData,
  type TestSigner,
} from './test-signed-data.ts'

const dayMs = 86_400_000
const caIssuers = '1.3.6.1.5.5.7.48.2'
const authorityInformationAccess = '1.3.6.1.5.5.7.1.1'

/** What a certificate of a chain says otherwise than a good one. */
export type TestChange = Partial<TestCertificateOptions>

/** What a chain says otherwise than a good one. */
export interface TestAzureChainOptions {
  readonly now: Date
  readonly root?: TestChange
  readonly issuer?: TestChange
  readonly signer?: TestChange
  /** Where the signer's certificate says that its issuer's is; none: nowhere. */
  readonly issuerUrls?: readonly string[]
  /** Which host of Azure signs. @default westeurope.metadata.azure.com, metadata.azure.com */
  readonly dnsNames?: readonly string[]
  /** Signs the signer's certificate in place of the issuer's key. */
  readonly signedBy?: KeyObject
  /** RSA. @default a new one */
  readonly signerKey?: KeyObject
}

/** Where the certificate of a test chain's issuer is. */
export const testIssuerUrl = 'http://www.microsoft.com/pkiops/certs/Test%20Issuing%20CA.crt'

/** A root, an issuer and a signer of attested documents, as Azure has them. */
export class TestAzureChain {
  /** When it was made; it is good from a day before until a month after. */
  readonly now: Date
  readonly root: TestHolder
  readonly issuer: TestHolder
  readonly signer: TestHolder

  constructor(options: TestAzureChainOptions) {
    const { now, issuerUrls = [testIssuerUrl] } = options
    this.now = now
    const [notBefore, notAfter] = [new Date(+now - dayMs), new Date(+now + 30 * dayMs)]
    const ca = { notBefore, notAfter, isCa: true, keyUsage: ['keyCertSign', 'cRLSign'] } as const
    const serverAuth = '1.3.6.1.5.5.7.3.1'
    const [rootKey, issuerKey] = [newKey(), newKey()]
    const signerKey =
      options.signerKey ?? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const [rootName, issuerName] = [testName('Test Root'), testName('Test Issuing CA')]
    const root = makeTestCertificate(
      { name: rootName, privateKey: rootKey },
      { ...ca, publicKey: rootKey, commonName: 'Test Root', ...options.root },
    )
    const issuer = makeTestCertificate(
      { name: rootName, privateKey: rootKey },
      {
        ...ca,
        publicKey: issuerKey,
        commonName: 'Test Issuing CA',
        extKeyUsage: [serverAuth],
        ...options.issuer,
      },
    )
    const signer = makeTestCertificate(
      { name: issuerName, privateKey: options.signedBy ?? issuerKey },
      {
        publicKey: signerKey,
        commonName: 'metadata.azure.com',
        notBefore,
        notAfter,
        isCa: false,
        keyUsage: ['digitalSignature', 'keyEncipherment'],
        extKeyUsage: [serverAuth],
        dnsNames: options.dnsNames ?? ['westeurope.metadata.azure.com', 'metadata.azure.com'],
        extensions: issuerUrls.length > 0 ? [issuerUrlExtension(issuerUrls)] : [],
        ...options.signer,
      },
    )
    this.root = { certificate: root, privateKey: rootKey }
    this.issuer = { certificate: issuer, privateKey: issuerKey }
    this.signer = { certificate: signer, privateKey: signerKey }
  }

  get rootPem(): string {
    return pemEncode('CERTIFICATE', this.root.certificate)
  }

  /** Signs a document. */
  sign(
    content: object | Uint8Array,
    signer: Partial<TestSigner> = {},
    changes: Partial<TestSignedData> = {},
  ): Buffer {
    return makeSignedData({
      content: content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content)),
      signers: [{ ...this.signer, digestName: sha256WithRsa, ...signer }],
      ...changes,
    })
  }
}

/** What a document says of a machine, in the order in which Azure writes it. */
export function attestedContent(machine: {
  readonly nonce: string
  readonly subscriptionId: string
  readonly vmId: string
}): object {
  const timeStamp = { createdOn: '11/30/26 00:00:00 -0000', expiresOn: '11/30/26 06:00:00 -0000' }
  const plan = { name: '', product: '', publisher: '' }
  const { nonce, subscriptionId, vmId } = machine
  return { licenseType: '', nonce, plan, sku: '24_04-lts', subscriptionId, timeStamp, vmId }
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function issuerUrlExtension(urls: readonly string[]): Buffer {
  const uri = (url: string): Buffer => derElement(0x86, Buffer.from(url, 'latin1'))
  const descriptions = urls.map((url) => derSequence(derOid(caIssuers), uri(url)))
  const ocsp = derSequence(derOid('1.3.6.1.5.5.7.48.1'), uri('http://oneocsp.microsoft.com/ocsp'))
  return testExtension(authorityInformationAccess, false, derSequence(ocsp, ...descriptions))
}
