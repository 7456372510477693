import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { makeTestCertificate, testExtension, testName } from '@mini-spire/sdk/testing'
import { derElement, derOid, derSequence, derTag, derUnsigned } from '@mini-spire/sdk/x509'

/** What a path is made of: the extensions of each certificate, the one below the root first, the leaf last. */
export interface PathCase {
  readonly title: string
  readonly extensions: readonly (readonly Uint8Array[])[]
  /** Whether it leads from the leaf to the root. */
  readonly holds: boolean
  /** What SPIRE, which is Go, says instead. */
  readonly holdsInGo?: boolean
}

/** A path that was made, and who it belongs to. */
export interface MadePath {
  /** DER, leaf first; no root. */
  readonly chain: readonly Uint8Array[]
  readonly key: KeyObject
}

/** A certificate authority of its own for paths. */
export interface PathRoot {
  readonly certificate: Uint8Array
  readonly name: Uint8Array
  readonly key: KeyObject
}

const [a, b, c] = ['1.2.3.1', '1.2.3.2', '1.2.3.3']
const any = '2.5.29.32.0'

const underPolicies = (...oids: readonly string[]): Uint8Array =>
  testExtension('2.5.29.32', false, derSequence(...oids.map((oid) => derSequence(derOid(oid)))))
const mapping = (...pairs: readonly (readonly [string, string])[]): Uint8Array => {
  const list = pairs.map(([above, below]) => derSequence(derOid(above), derOid(below)))
  return testExtension('2.5.29.33', true, derSequence(...list))
}
const constraining = (explicit?: number, noMapping?: number): Uint8Array => {
  const fields = [explicit, noMapping].flatMap((count, index) =>
    count === undefined ? [] : [derElement(0x80 + index, Buffer.of(count))],
  )
  return testExtension('2.5.29.36', true, derSequence(...fields))
}
const noAnyAfter = (count: number): Uint8Array =>
  testExtension('2.5.29.54', true, derUnsigned(Buffer.of(count)))

const policyCases: readonly PathCase[] = (
  [
    ['no policy where none is needed', [[]], [], true],
    ['a break where none is needed', [[underPolicies(a)]], [underPolicies(b)], true],
    ['no mapping allowed, none needed', [[constraining(undefined, 0)]], [], true],
    ['no "any" allowed, none needed', [[noAnyAfter(0)]], [], true],
    ['the one that is needed', [[constraining(0), underPolicies(a)]], [underPolicies(a)], true],
    ['another', [[constraining(0), underPolicies(a)]], [underPolicies(b)], false],
    ['none', [[constraining(0), underPolicies(a)]], [], false],
    ['none above', [[constraining(0)]], [underPolicies(a)], false],
    ['a break', [[constraining(0), underPolicies(a)], []], [underPolicies(a)], false],
    ['"any" in the leaf', [[constraining(0), underPolicies(a)]], [underPolicies(any)], true],
    ['"any" above', [[constraining(0), underPolicies(any)]], [underPolicies(b)], true],
    [
      '"any" above, where it does not count',
      [[constraining(0)], [underPolicies(any)]],
      [underPolicies(b)],
      false,
    ],
    [
      '"any", narrowed',
      [[constraining(0), underPolicies(any)], [underPolicies(a)]],
      [underPolicies(b)],
      false,
    ],
    [
      '"any", which counts no more',
      [[constraining(0), underPolicies(a), noAnyAfter(0)]],
      [underPolicies(any)],
      false,
    ],
    [
      '"any", which counts once more',
      [[constraining(0), underPolicies(a), noAnyAfter(1)]],
      [underPolicies(any)],
      true,
    ],
    [
      '"any", which counted once',
      [[constraining(0), underPolicies(a), noAnyAfter(1)], [underPolicies(any)]],
      [underPolicies(any)],
      false,
    ],
    ['one needed from the next on', [[constraining(1)]], [], false],
    ['one needed after the next', [[constraining(2)]], [], true],
    ['one needed after two, of two', [[constraining(2)], []], [], false],
    ['one needed after three, of two', [[constraining(3)], []], [], true],
    ['what the leaf itself needs', [[underPolicies(a)]], [underPolicies(a), constraining(0)], true],
    ['what the leaf itself lacks', [[]], [underPolicies(a), constraining(0)], false],
    ['what nobody after the leaf lacks', [[]], [constraining(1)], true],
    [
      'the name that it is mapped to',
      [[constraining(0), underPolicies(a), mapping([a, b])]],
      [underPolicies(b)],
      true,
    ],
    [
      'the name that it is mapped from',
      [[constraining(0), underPolicies(a), mapping([a, b])]],
      [underPolicies(a)],
      false,
    ],
    [
      'one of two names that it is mapped to',
      [[constraining(0), underPolicies(a), mapping([a, b], [a, c])]],
      [underPolicies(c)],
      true,
    ],
    [
      'a name mapped from "any"',
      [[constraining(0), underPolicies(any), mapping([a, b])]],
      [underPolicies(b)],
      true,
    ],
    [
      'a name mapped from one that is not valid',
      [[constraining(0), underPolicies(a), mapping([c, b])]],
      [underPolicies(b)],
      false,
    ],
    [
      'a mapping that counts no more',
      [
        [constraining(0, 0), underPolicies(a)],
        [underPolicies(a), mapping([a, b])],
      ],
      [underPolicies(b)],
      false,
    ],
    [
      'a mapping that counts once more',
      [
        [constraining(0, 1), underPolicies(a)],
        [underPolicies(a), mapping([a, b])],
      ],
      [underPolicies(b)],
      true,
    ],
    ['a mapping of "any"', [[underPolicies(any), mapping([any, b])]], [underPolicies(b)], false],
  ] as const
).map(([title, above, leaf, holds]) => ({
  title: `by policy: ${title}`,
  extensions: [...above, leaf],
  holds,
}))

const [uri, dnsName, email, directory] = [0x86, 0x82, 0x81, 0xa4]
const ia5 = (tag: number, text: string): Uint8Array => derElement(tag, Buffer.from(text, 'latin1'))
const names = (tag: number, text: string): Uint8Array =>
  testExtension('2.5.29.17', false, derSequence(ia5(tag, text)))
const subtree = (list: number, base: Uint8Array, isCritical = true): Uint8Array =>
  testExtension('2.5.29.30', isCritical, derSequence(derElement(list, derSequence(base))))
const [permitted, excluded] = [0xa0, 0xa1]

const nameCases: readonly PathCase[] = (
  [
    ['permits', dnsName, 'example.org', 'a.example.org', true],
    ['permits', dnsName, 'example.org', 'EXAMPLE.ORG', true],
    ['permits', dnsName, 'example.org', 'a.example.com', false],
    ['permits', dnsName, 'example.org', 'badexample.org', false],
    ['permits', dnsName, 'example.org', '*.example.org', true],
    ['permits', dnsName, 'bad.example.org', '*.example.org', false],
    ['permits', dnsName, '.example.org', 'a.example.org', true],
    ['permits', dnsName, '.example.org', 'example.org', false],
    ['permits', dnsName, '', 'a.example.org', true],
    ['excludes', dnsName, 'example.org', 'a.example.org', false],
    ['excludes', dnsName, 'example.org', '*.example.org', false],
    ['excludes', dnsName, 'bad.example.org', '*.example.org', false],
    ['excludes', dnsName, 'a.bad.example.org', '*.example.org', true],
    ['excludes', dnsName, 'bad.example.org', 'good.example.org', true],
    ['excludes', dnsName, '.example.org', 'example.org', false, true],
    ['excludes', dnsName, '', 'a.b', false],
    ['permits', uri, 'example.org', 'spiffe://example.org/x', true],
    ['permits', uri, 'example.org', 'https://example.org:8443/x', true],
    ['permits', uri, 'example.org', 'https://other.org/x', false],
    // RFC 5280 says that a host without a leading dot is one host; Go takes those below, too.
    ['permits', uri, 'example.org', 'https://a.example.org/x', false, true],
    ['permits', uri, '.example.org', 'https://a.example.org/x', true],
    ['permits', uri, 'example.org', 'https://10.0.0.1/x', false],
    ['permits', uri, 'example.org', 'urn:x:y', false],
    ['excludes', uri, 'example.org', 'https://example.org/x', false],
    ['excludes', uri, 'example.org', 'https://example.org:8443/x', false],
    ['excludes', uri, 'example.org', 'https://someone@example.org/x', false],
    ['excludes', uri, 'example.org', 'https://EXAMPLE.org/x', false],
    ['excludes', uri, 'example.org', 'https://[::1]/x', false],
    ['excludes', uri, 'example.org', 'urn:x:y', false],
    ['excludes', uri, 'example.org', 'https://other.org/x', true],
    ['permits', email, 'example.org', 'a@example.org', true],
    // RFC 5280 again: a host is one host.
    ['permits', email, 'example.org', 'a@sub.example.org', false, true],
    ['excludes', email, 'example.org', 'a@example.org', false],
  ] as const
).map(([list, kind, base, name, holds, holdsInGo]) => ({
  title: `that ${list} ${JSON.stringify(base)} for ${JSON.stringify(name)}`,
  extensions: [
    [subtree(list === 'permits' ? permitted : excluded, ia5(kind, base))],
    [names(kind, name)],
  ],
  holds,
  ...(holdsInGo !== undefined && { holdsInGo }),
}))

const distributionPoints = testExtension('2.5.29.31', true, derSequence())
const directoryNames = derElement(directory, testName('leaf'))
const nothing = Buffer.of(derTag.null, 0)

const otherCases: readonly PathCase[] = [
  { title: 'of nothing unusual', extensions: [[]], holds: true },
  {
    title: 'with a critical extension of no kind that is known',
    extensions: [[testExtension('1.2.3.4', true, nothing)]],
    holds: false,
  },
  {
    title: 'with another extension of no kind that is known',
    extensions: [[testExtension('1.2.3.4', false, nothing)]],
    holds: true,
  },
  {
    title: 'with an intermediate that demands that revocation lists are read',
    extensions: [[distributionPoints], []],
    holds: false,
    holdsInGo: true,
  },
  {
    title: 'with directory names constrained',
    extensions: [[subtree(permitted, directoryNames)], []],
    holds: false,
  },
  {
    title: 'with directory names constrained, if you like',
    extensions: [[subtree(permitted, directoryNames, false)], []],
    holds: false,
    holdsInGo: true,
  },
]

/** Paths with unusual extensions, and whether they hold. */
export const pathCases: readonly PathCase[] = [...otherCases, ...policyCases, ...nameCases]

/** Makes a root for paths that are valid now. */
export function makePathRoot(now: Date): PathRoot {
  const { publicKey, privateKey: key } = newKeys()
  const name = testName('root')
  const certificate = makeTestCertificate(
    { name, privateKey: key },
    {
      ...lifeAround(now),
      publicKey,
      commonName: 'root',
      isCa: true,
      keyUsage: ['keyCertSign'],
    },
  )
  return { certificate, name, key }
}

/** Makes a path below a root. */
export function makePath({ extensions }: PathCase, root: PathRoot, now: Date): MadePath {
  const chain: Uint8Array[] = []
  let issuer = { name: root.name, privateKey: root.key }
  for (const [index, own] of extensions.entries()) {
    const isLeaf = index === extensions.length - 1
    const commonName = isLeaf ? 'leaf' : `intermediate ${index}`
    const { publicKey, privateKey } = newKeys()
    const certificate = makeTestCertificate(issuer, {
      ...lifeAround(now),
      publicKey,
      commonName,
      isCa: !isLeaf,
      keyUsage: [isLeaf ? 'digitalSignature' : 'keyCertSign'],
      extensions: own,
    })
    chain.unshift(certificate)
    issuer = { name: testName(commonName), privateKey }
  }
  return { chain, key: issuer.privateKey }
}

function newKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function lifeAround(now: Date): { readonly notBefore: Date; readonly notAfter: Date } {
  const at = (ms: number): Date => new Date(now.getTime() + ms)
  return { notBefore: at(-3_600_000), notAfter: at(3_600_000) }
}
