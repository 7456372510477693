import { formatUtc } from '@mini-spire/runtime/cli/time'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { X509Bundle } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import type { X509SVID, X509SVIDResponse } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificates } from '@mini-spire/sdk/x509'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'

/** An X509-SVID of a response, parsed. */
export interface FetchedSvid {
  readonly spiffeId: string
  readonly hint: string
  readonly chain: readonly Certificate[]
  /** PKCS#8, DER, as it came. */
  readonly privateKey: Uint8Array
  readonly bundle: readonly Certificate[]
  /** Sorted by trust domain ID. */
  readonly federated: readonly (readonly [string, readonly Certificate[]])[]
}

/** Parses a response and verifies each SVID against the bundle that came with it. @throws {CommandError} */
export function parseSvids(response: X509SVIDResponse, now: Date): readonly FetchedSvid[] {
  if (response.svids.length === 0) throw new CommandError('workload response contains no svids')
  const federated = [...response.federatedBundles]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([id, der]) => [id, parseFederated(id, der)] as const)
  const svids = response.svids.map((svid, index) => ({ ...parseSvid(svid, index), federated }))
  for (const svid of svids) verify(svid, now)
  return svids
}

function parseFederated(id: string, der: Uint8Array): readonly Certificate[] {
  let certificates: readonly Certificate[]
  try {
    certificates = parseCertificates(der)
  } catch (error) {
    throw new CommandError(
      `failed to parse bundle for federated domain ${quoteGo(id)}: ${messageOf(error)}`,
    )
  }
  if (certificates.length > 0) return certificates
  throw new CommandError(`no certificates in bundle for federated domain ${quoteGo(id)}`)
}

function parseSvid(svid: X509SVID, index: number): Omit<FetchedSvid, 'federated'> {
  try {
    const chain = parseCertificates(svid.x509Svid)
    if (chain.length === 0) throw new CommandError('no certificates found')
    const bundle = parseBundle(svid.bundle)
    const { spiffeId, hint, x509SvidKey: privateKey } = svid
    return { spiffeId, hint, chain, privateKey, bundle }
  } catch (error) {
    throw new CommandError(
      `failed to parse svid entry ${index} for spiffe id ${quoteGo(svid.spiffeId)}: ${messageOf(error)}`,
    )
  }
}

function parseBundle(der: Uint8Array): readonly Certificate[] {
  let certificates: readonly Certificate[]
  try {
    certificates = parseCertificates(der)
  } catch (error) {
    throw new CommandError(`failed to parse trust bundle: ${messageOf(error)}`)
  }
  if (certificates.length === 0) throw new CommandError('no certificates in trust bundle')
  return certificates
}

function verify(svid: FetchedSvid, now: Date): void {
  const id = SpiffeId.parse(svid.spiffeId)
  try {
    const chain = svid.chain.map((certificate) => certificate.raw)
    verifyX509Svid(chain, new X509Bundle(id.trustDomain, svid.bundle), { now })
  } catch (error) {
    throw new CommandError(
      `${quoteGo(svid.spiffeId)} SVID failed verification against bundle: x509svid: ${messageOf(error)}`,
    )
  }
}

/** What was received and how long it took, as people read it. */
export function formatSvids(svids: readonly FetchedSvid[], tookNanoseconds: bigint): string {
  const count = `${svids.length} svid${svids.length === 1 ? '' : 's'}`
  const heading = `Received ${count} after ${formatGoDuration(tookNanoseconds)}\n`
  return `${heading}${svids.map((svid) => `\n${formatSvid(svid)}`).join('')}\n`
}

function formatSvid(svid: FetchedSvid): string {
  const [leaf, ...intermediates] = svid.chain
  return [
    `SPIFFE ID:\t\t${svid.spiffeId}\n`,
    svid.hint === '' ? '' : `Hint:\t\t\t${svid.hint}\n`,
    leaf ? validity('SVID', leaf) : '',
    ...intermediates.map((ca, index) => validity(`Intermediate #${index + 1}`, ca)),
    ...svid.bundle.map((ca, index) => validity(`CA #${index + 1}`, ca)),
    ...svid.federated.flatMap(([id, bundle]) =>
      bundle.map((ca, index) => validity(`[${id}] CA #${index + 1}`, ca)),
    ),
  ].join('')
}

function validity(what: string, { notBefore, notAfter }: Certificate): string {
  const print = (instant: Date): string => formatUtc(Math.trunc(instant.getTime() / 1000))
  return `${what} Valid After:\t${print(notBefore)}\n${what} Valid Until:\t${print(notAfter)}\n`
}
