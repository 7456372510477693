import type { Certificate } from './certificate.ts'
import { DerCursor } from './der-reader.ts'
import { derTag } from './der-writer.ts'
import { readOid } from './extensions.ts'
import { X509Error } from './x509-error.ts'

/** What a certificate says of policies; undefined where an extension is left out. */
export interface PolicyRules {
  /** Dotted OIDs: under which policies it was issued. */
  readonly policies: readonly string[] | undefined
  /** Which policies of the issuer are which of the subject. */
  readonly mappings: readonly PolicyMapping[]
  readonly constraints: PolicyConstraints
  /** After how many more certificates "any policy" counts no more. */
  readonly inhibitAnyPolicy: number | undefined
}

/** Two policies that are the same. */
export interface PolicyMapping {
  readonly issuerPolicy: string
  readonly subjectPolicy: string
}

/** After how many more certificates a path needs a policy, and mappings count no more. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy?: number
  readonly inhibitPolicyMapping?: number
}

const anyPolicy = '2.5.29.32.0'
const maxPolicies = 128

/** Reads the value of a certificate policies extension [RFC 5280 4.2.1.4]; qualifiers are for people. */
export function parsePolicies(value: Buffer): readonly string[] {
  return readList(value, (list) => readOid(list.enter(derTag.sequence)))
}

/** Reads the value of a policy mappings extension [RFC 5280 4.2.1.5]. */
export function parsePolicyMappings(value: Buffer): readonly PolicyMapping[] {
  return readList(value, (list) => {
    const pair = list.enter(derTag.sequence)
    const [issuerPolicy, subjectPolicy] = [readOid(pair), readOid(pair)]
    pair.finish()
    return { issuerPolicy, subjectPolicy }
  })
}

/** Reads the value of a policy constraints extension [RFC 5280 4.2.1.11]. */
export function parsePolicyConstraints(value: Buffer): PolicyConstraints {
  const outer = DerCursor.over(value)
  const fields = outer.enter(derTag.sequence)
  outer.finish()
  if (fields.isAtEnd) throw malformed()
  const requireExplicitPolicy = fields.peekTag() === 0x80 ? readCount(fields, 0x80) : undefined
  const inhibitPolicyMapping = fields.peekTag() === 0x81 ? readCount(fields, 0x81) : undefined
  fields.finish()
  return {
    ...(requireExplicitPolicy !== undefined && { requireExplicitPolicy }),
    ...(inhibitPolicyMapping !== undefined && { inhibitPolicyMapping }),
  }
}

/** Reads the value of an inhibit anyPolicy extension [RFC 5280 4.2.1.14]. */
export function parseInhibitAnyPolicy(value: Buffer): number {
  const outer = DerCursor.over(value)
  const count = readCount(outer, derTag.integer)
  outer.finish()
  return count
}

function readList<T>(value: Buffer, read: (list: DerCursor) => T): readonly T[] {
  const outer = DerCursor.over(value)
  const list = outer.enter(derTag.sequence)
  outer.finish()
  const found: T[] = []
  while (!list.isAtEnd) {
    if (found.length === maxPolicies) throw malformed()
    found.push(read(list))
  }
  return found
}

function readCount(cursor: DerCursor, tag: number): number {
  const content = cursor.content(cursor.take(tag))
  const [first = 0x80] = content
  if (first >= 0x80 || content.length > 4) throw malformed()
  return content.readUIntBE(0, content.length)
}

/** The policies under which a path is valid so far, each with what the next certificate has to call it. */
interface ValidPolicies {
  readonly named: ReadonlyMap<string, readonly string[]>
  /** Whether "any policy" is among them. */
  readonly hasAny: boolean
}

/**
 * Whether a path that must have a policy has one, with any policy being welcome [RFC 5280 6.1]: a path that no certificate
 * demands that of has what it needs, unless "any policy" is mapped, which nobody may [RFC 5280 6.1.4 (a)].
 *
 * @param path leaf first, root last; the root's own rules do not count
 */
export function hasNeededPolicy(path: readonly Certificate[]): boolean {
  if (path.slice(0, -1).some(mapsAnyPolicy)) return false
  const isDemanding = (one: Certificate): boolean =>
    one.policyRules?.constraints.requireExplicitPolicy !== undefined
  if (!path.some(isDemanding)) return true
  const counters = { explicit: Infinity, mapping: Infinity, any: Infinity }
  let valid: ValidPolicies | undefined = { named: new Map(), hasAny: true }
  const fromTop = path.slice(0, -1).reverse()
  for (const [index, certificate] of fromTop.entries()) {
    const isLeaf = index === fromTop.length - 1
    const { policyRules: rules, isSelfIssued } = certificate
    valid = narrowed(valid, rules?.policies, counters.any > 0 || (!isLeaf && isSelfIssued))
    if (counters.explicit === 0 && !valid) return false
    if (!isLeaf) valid = mapped(valid, rules?.mappings ?? [], counters.mapping > 0)
    if (isLeaf || !isSelfIssued) countDown(counters)
    const { requireExplicitPolicy = Infinity, inhibitPolicyMapping = Infinity } =
      rules?.constraints ?? {}
    // For the leaf, nothing comes after it: only 0 can still matter.
    if (!isLeaf || requireExplicitPolicy === 0)
      counters.explicit = Math.min(counters.explicit, requireExplicitPolicy)
    counters.mapping = Math.min(counters.mapping, inhibitPolicyMapping)
    counters.any = Math.min(counters.any, rules?.inhibitAnyPolicy ?? Infinity)
  }
  return counters.explicit > 0 || valid !== undefined
}

function mapsAnyPolicy({ policyRules }: Certificate): boolean {
  const isAny = ({ issuerPolicy, subjectPolicy }: PolicyMapping): boolean =>
    issuerPolicy === anyPolicy || subjectPolicy === anyPolicy
  return policyRules?.mappings.some(isAny) ?? false
}

/** Takes one from each counter that is not at its end [RFC 5280 6.1.4 (h)]. */
function countDown(counters: Record<'explicit' | 'mapping' | 'any', number>): void {
  for (const name of ['explicit', 'mapping', 'any'] as const)
    counters[name] = Math.max(counters[name] - 1, 0)
}

/** What is left of the valid policies below a certificate that was issued under these [RFC 5280 6.1.3 (d), (e)]. */
function narrowed(
  valid: ValidPolicies | undefined,
  policies: readonly string[] | undefined,
  isAnyHonoured: boolean,
): ValidPolicies | undefined {
  if (!valid || !policies) return undefined
  const expected = new Set([...valid.named.values()].flat())
  const named = new Map<string, readonly string[]>()
  for (const policy of policies) {
    if (policy !== anyPolicy && (valid.hasAny || expected.has(policy))) named.set(policy, [policy])
  }
  const hasAny = isAnyHonoured && policies.includes(anyPolicy)
  if (hasAny) for (const policy of expected) if (!named.has(policy)) named.set(policy, [policy])
  return orNone({ named, hasAny: hasAny && valid.hasAny })
}

/** What the next certificate may call the valid policies [RFC 5280 6.1.4 (b)]. */
function mapped(
  valid: ValidPolicies | undefined,
  mappings: readonly PolicyMapping[],
  isAllowed: boolean,
): ValidPolicies | undefined {
  if (!valid || mappings.length === 0) return valid
  const named = new Map(valid.named)
  for (const policy of new Set(mappings.map(({ issuerPolicy }) => issuerPolicy))) {
    const own = mappings.filter(({ issuerPolicy }) => issuerPolicy === policy)
    if (!isAllowed) named.delete(policy)
    else if (named.has(policy) || valid.hasAny)
      named.set(policy, [...new Set(own.map(({ subjectPolicy }) => subjectPolicy))])
  }
  return orNone({ named, hasAny: valid.hasAny })
}

function orNone(valid: ValidPolicies): ValidPolicies | undefined {
  return valid.hasAny || valid.named.size > 0 ? valid : undefined
}

function malformed(): X509Error {
  return new X509Error('ERR_CERTIFICATE_MALFORMED', 'x509: malformed certificate policies')
}
