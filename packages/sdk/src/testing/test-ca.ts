import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { JwtBundle, SpiffeBundle, X509Bundle } from '../bundle/index.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/index.ts'
import { type Certificate, parseCertificate } from '../x509/index.ts'
import { X509Svid } from '../x509-svid/index.ts'
import {
  makeTestCertificate,
  type TestCertificateOptions,
  type TestIssuer,
  testKeyId,
  testName,
} from './certificate-maker.ts'

/** Options of {@link TestCa.create}. */
export interface TestCaOptions {
  /** What time it is for this CA. @default the machine's time */
  readonly now?: () => Date
  /** What the root certificate says otherwise than a good one would. */
  readonly root?: Partial<TestCertificateOptions>
}

/** What a certificate says otherwise than a good one would. */
export type TestSvidOptions = Partial<TestCertificateOptions> & {
  /** Lifetime from now. @default 3600 */
  readonly ttlSeconds?: number
  readonly hint?: string
}

/** What a JWT-SVID says; header and claims given here replace those of a good one, undefined removes them. */
export interface TestJwtSvidOptions {
  readonly audience?: readonly string[]
  /** Lifetime from now. @default 300 */
  readonly ttlSeconds?: number
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly key?: KeyObject
}

const oneDayMs = 24 * 3600 * 1000
const serverAndClient = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']

/**
 * An authority for tests: issues good SVIDs in one line, and bad ones on request.
 *
 * @example
 * const ca = TestCa.create('example.org')
 * const svid = ca.issueX509Svid('/web')
 * verifyX509Svid(svid.chain, ca.x509Bundle, { now: new Date() })
 */
export class TestCa {
  readonly trustDomain: TrustDomain
  /** The certificate that signs: a root, or an intermediate. */
  readonly certificate: Certificate
  readonly privateKey: KeyObject
  /** Signs JWT-SVIDs. */
  readonly jwtKey: KeyObject
  readonly jwtKeyId: string
  /** What issued SVIDs carry behind the leaf: intermediates, without the root. */
  readonly #above: readonly Certificate[]
  readonly #root: Certificate
  readonly #now: () => Date

  private constructor(parts: {
    readonly trustDomain: TrustDomain
    readonly certificate: Certificate
    readonly privateKey: KeyObject
    readonly above: readonly Certificate[]
    readonly root: Certificate
    readonly now: () => Date
  }) {
    this.trustDomain = parts.trustDomain
    this.certificate = parts.certificate
    this.privateKey = parts.privateKey
    this.jwtKey = newKey()
    this.jwtKeyId = testKeyId(createPublicKey(this.jwtKey)).toString('hex').slice(0, 32)
    this.#above = parts.above
    this.#root = parts.root
    this.#now = parts.now
  }

  /** A new authority with a self-signed root. */
  static create(trustDomain: string | TrustDomain, options: TestCaOptions = {}): TestCa {
    const domain = typeof trustDomain === 'string' ? TrustDomain.parse(trustDomain) : trustDomain
    const now = options.now ?? (() => new Date())
    const privateKey = newKey()
    const says = { ...caOptions(domain, privateKey, now()), ...options.root }
    const name = nameOf(says)
    const root = parseCertificate(makeTestCertificate({ name, privateKey }, says))
    return new TestCa({ trustDomain: domain, certificate: root, privateKey, above: [], root, now })
  }

  /** An intermediate authority below this one. */
  createIntermediate(options: Partial<TestCertificateOptions> = {}): TestCa {
    const privateKey = newKey()
    const says = {
      ...caOptions(this.trustDomain, privateKey, this.#now()),
      commonName: `intermediate ${this.#above.length + 1}`,
      ...options,
    }
    const certificate = parseCertificate(makeTestCertificate(this.#issuer(), says))
    const above = [certificate, ...this.#above]
    const { trustDomain } = this
    return new TestCa({
      trustDomain,
      certificate,
      privateKey,
      above,
      root: this.#root,
      now: this.#now,
    })
  }

  /** Issues an X509-SVID with a new key; the ID is a path of this trust domain or a whole ID. */
  issueX509Svid(id: string, options: TestSvidOptions = {}): X509Svid {
    const privateKey = newKey()
    const chain = this.issueChain({
      publicKey: createPublicKey(privateKey),
      ...leafOptions(this.#idOf(id), options, this.#now()),
    })
    return new X509Svid({ chain: chain.map(parseCertificate), privateKey, hint: options.hint })
  }

  /** Issues whatever is asked for, for a key of the caller's: leaf and intermediates, DER. */
  issueChain(
    options: TestSvidOptions & { readonly publicKey: KeyObject },
  ): readonly [Uint8Array, ...Uint8Array[]] {
    const says = { ...leafOptions('', options, this.#now()), ...options }
    const leaf = makeTestCertificate(this.#issuer(), says)
    return [leaf, ...this.#above.map((one) => one.raw)]
  }

  /** Signs a JWT-SVID; ES256. The ID is a path of this trust domain or a whole ID. */
  signJwtSvid(id: string, options: TestJwtSvidOptions = {}): string {
    const issuedAt = Math.floor(this.#now().getTime() / 1000)
    const header = { alg: 'ES256', kid: this.jwtKeyId, typ: 'JWT', ...options.header }
    const claims = {
      sub: this.#idOf(id),
      aud: options.audience ?? ['test'],
      iat: issuedAt,
      exp: issuedAt + (options.ttlSeconds ?? 300),
      ...options.claims,
    }
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url')
    const signed = `${part(header)}.${part(claims)}`
    const key = options.key ?? this.jwtKey
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
    return `${signed}.${signature.toString('base64url')}`
  }

  get x509Bundle(): X509Bundle {
    return new X509Bundle(this.trustDomain, [this.#root])
  }

  get jwtBundle(): JwtBundle {
    const publicKey = createPublicKey(this.jwtKey)
    return new JwtBundle(this.trustDomain, [{ keyId: this.jwtKeyId, publicKey }])
  }

  get bundle(): SpiffeBundle {
    return new SpiffeBundle(this.trustDomain, {
      x509Authorities: [this.#root],
      jwtAuthorities: this.jwtBundle.authorities,
    })
  }

  #issuer(): TestIssuer {
    const { privateKey, certificate } = this
    const keyId = certificate.subjectKeyId
    return { name: certificate.subjectRaw, privateKey, ...(keyId && { keyId }) }
  }

  #idOf(id: string): string {
    if (id.startsWith('spiffe://')) return id
    return SpiffeId.fromPath(this.trustDomain, id).toString()
  }
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function caOptions(domain: TrustDomain, privateKey: KeyObject, now: Date): TestCertificateOptions {
  return {
    publicKey: createPublicKey(privateKey),
    commonName: `test root of ${domain}`,
    uris: [domain.idString],
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    notBefore: new Date(now.getTime() - 10_000),
    notAfter: new Date(now.getTime() + oneDayMs),
  }
}

function leafOptions(
  id: string,
  options: TestSvidOptions,
  now: Date,
): Omit<TestCertificateOptions, 'publicKey'> {
  return {
    commonName: 'test workload',
    uris: id === '' ? [] : [id],
    isCa: false,
    keyUsage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
    extKeyUsage: serverAndClient,
    notBefore: new Date(now.getTime() - 10_000),
    notAfter: new Date(now.getTime() + (options.ttlSeconds ?? 3600) * 1000),
    ...options,
  }
}

function nameOf(says: TestCertificateOptions): Uint8Array {
  return testName(says.commonName ?? 'test')
}
