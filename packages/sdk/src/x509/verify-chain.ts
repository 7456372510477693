import { messageOf } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { hasNeededPolicy } from './certificate-policies.ts'
import { findNameViolation } from './name-constraints.ts'
import { parsePublicKey } from './public-key.ts'
import { verifySignature } from './signature.ts'
import { X509Error } from './x509-error.ts'

/** How much work a stranger's chain may cause. */
export const chainLimits: {
  readonly maxCertificates: number
  readonly maxIntermediates: number
  readonly maxSignatureChecks: number
} = { maxCertificates: 16, maxIntermediates: 8, maxSignatureChecks: 48 }

/** What {@link verifyChain} checks. */
export interface VerifyChainOptions {
  /** Certificates as the peer sent them, leaf first; the order of the others does not matter. */
  readonly chain: readonly Certificate[]
  /** Roots of ONE trust domain: a root never vouches for a leaf of another. */
  readonly roots: readonly Certificate[]
  readonly now: Date
}

/** The text of the error when no path leads to a root. Peers search for it. */
export const unknownAuthority = 'x509: certificate signed by unknown authority'

/**
 * Finds a path from the leaf to one of the roots [RFC 5280 6.1] and returns it, leaf first, root last.
 *
 * Every certificate of the path must be valid now, the roots too; issuers must be CAs that may sign certificates, within
 * their path length and name constraints; a path that must have a policy has one; keys must be of a safe kind and size before any signature is checked. What the
 * leaf may be used for (extended key usage) is not looked at, nor its names, nor revocation: `verifyX509Svid` adds SPIFFE's
 * rules.
 *
 * @throws {X509Error} `ERR_CERTIFICATE_EXPIRED` when the leaf is not valid now, `ERR_CERTIFICATE_REFUSED` for a leaf or
 *   chain that no path could save, `ERR_CERTIFICATE_UNTRUSTED` when no path leads to a root (the cause says what was nearest)
 */
export function verifyChain(options: VerifyChainOptions): readonly Certificate[] {
  const { chain, roots, now } = options
  const [leaf, ...others] = chain
  if (!leaf) throw new X509Error('ERR_CERTIFICATE_REFUSED', 'x509: no certificates')
  if (chain.length > chainLimits.maxCertificates)
    throw new X509Error('ERR_CERTIFICATE_REFUSED', 'x509: too many certificates in the chain')
  checkUsable(leaf, now)
  const search: Search = { others, roots, now, checksLeft: chainLimits.maxSignatureChecks }
  const path = extend(search, [leaf])
  if (path) return path
  throw new X509Error('ERR_CERTIFICATE_UNTRUSTED', unknownAuthority, { cause: search.nearest })
}

interface Search {
  readonly others: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly now: Date
  checksLeft: number
  /** Why the last candidate that bore the right name was no issuer. */
  nearest?: unknown
}

/** Depth first: a root that fits ends the search, else each intermediate that fits is tried. */
function extend(search: Search, path: readonly Certificate[]): readonly Certificate[] | undefined {
  for (const root of search.roots) {
    if (!isIssuer(search, path, root)) continue
    const whole = [...path, root]
    if (hasNeededPolicy(whole)) return whole
    search.nearest = refused('the path has no policy, and must have one')
  }
  if (path.length > chainLimits.maxIntermediates) return undefined
  for (const candidate of search.others) {
    if (path.some((one) => isSameHolder(one, candidate))) continue
    if (!isIssuer(search, path, candidate)) continue
    const found = extend(search, [...path, candidate])
    if (found) return found
  }
  return undefined
}

function isIssuer(search: Search, path: readonly Certificate[], issuer: Certificate): boolean {
  const subject = path.at(-1)
  if (!subject || Buffer.compare(subject.issuerRaw, issuer.subjectRaw) !== 0) return false
  try {
    checkIssuer(path, issuer, search.now)
    if (search.checksLeft-- <= 0) throw refused('too many signatures to check')
    verifySignature(parsePublicKey(issuer.spki), subject.signature, () => issuer.publicKey)
    return true
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    search.nearest = new X509Error(error.code, `candidate issuer: ${messageOf(error)}`, {
      cause: error,
    })
    return false
  }
}

function checkIssuer(path: readonly Certificate[], issuer: Certificate, now: Date): void {
  checkUsable(issuer, now)
  if (!issuer.isCa) throw refused('issuer is not a certificate authority')
  if (issuer.keyUsage && !issuer.keyUsage.keyCertSign)
    throw refused('issuer may not sign certificates')
  // Intermediates below the issuer: all of the path but the leaf; self-issued ones are not counted [RFC 5280 4.2.1.9].
  const below = path.slice(1).filter((one) => !one.isSelfIssued).length
  if (issuer.pathLength !== undefined && below > issuer.pathLength)
    throw refused('too many intermediates for the path length constraint')
  if (!issuer.nameConstraints) return
  for (const one of path) {
    const violation = findNameViolation(issuer.nameConstraints, one.names)
    if (violation) throw refused(`name constraints: ${violation}`)
  }
}

/**
 * Refuses a certificate that is useless in every path: not valid now, with a critical extension that is not understood, or
 * with a key that is not safe.
 *
 * @throws {X509Error} `ERR_CERTIFICATE_EXPIRED`, `ERR_CERTIFICATE_REFUSED`, `ERR_PUBLIC_KEY_REFUSED`, `ERR_PUBLIC_KEY_MALFORMED`
 */
export function checkUsable(certificate: Certificate, now: Date): void {
  const problem = findProblem(certificate, now)
  if (problem) throw problem
}

function findProblem(certificate: Certificate, now: Date): X509Error | undefined {
  const { notBefore, notAfter, unhandledCritical } = certificate
  const outside = validityProblem(notBefore, notAfter, now)
  if (outside) return outside
  if (unhandledCritical.length > 0)
    return refused(`unhandled critical extension ${unhandledCritical.join(', ')}`)
  try {
    parsePublicKey(certificate.spki)
    return undefined
  } catch (error) {
    if (error instanceof X509Error) return error
    throw error
  }
}

function validityProblem(notBefore: Date, notAfter: Date, now: Date): X509Error | undefined {
  const expired = (relation: string, bound: Date): X509Error =>
    new X509Error(
      'ERR_CERTIFICATE_EXPIRED',
      `x509: certificate has expired or is not yet valid: current time ${seconds(now)} is ${relation} ${seconds(bound)}`,
    )
  // Not "now > bound": an invalid Date must be refused, and it is neither after nor before anything.
  if (!(now >= notBefore)) return expired('before', notBefore)
  if (!(now <= notAfter)) return expired('after', notAfter)
  return undefined
}

function seconds(time: Date): string {
  return Number.isNaN(time.getTime()) ? 'unknown' : time.toISOString().replace(/\.\d{3}Z$/, 'Z')
}

/** Same name and key: once in a path is enough, whatever else differs, or cross signing could go round. */
function isSameHolder(a: Certificate, b: Certificate): boolean {
  return Buffer.compare(a.spki, b.spki) === 0 && Buffer.compare(a.subjectRaw, b.subjectRaw) === 0
}

function refused(what: string): X509Error {
  return new X509Error('ERR_CERTIFICATE_REFUSED', `x509: ${what}`)
}
