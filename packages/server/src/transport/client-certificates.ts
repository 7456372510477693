import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { X509Bundle, type X509BundleSource } from '@mini-spire/sdk/bundle'
import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { spiffeIdOfLeaf, verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import type { TrustBundle } from '../model/trust-bundle.ts'

/** How often a missing bundle of the same trust domain is worth a line. */
const warningIntervalMs = 60_000

/** How many trust domains are remembered for that; others are not warned of. */
const maxRememberedDomains = 1000

/** Options of {@link ClientCertificates}. */
export interface ClientCertificatesOptions {
  readonly trustDomain: TrustDomain
  /** The only IDs of other trust domains that may connect. */
  readonly adminIds: readonly SpiffeId[]
  readonly findBundle: (trustDomainName: string) => TrustBundle | undefined
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Judges the certificate that a client of the TCP listener shows: whoever leads to a root of the own trust domain, tainted
 * roots included, and of other trust domains exactly the IDs of `admin_ids` whose bundle is stored. A root of one trust
 * domain never vouches for an ID of another.
 */
export class ClientCertificates implements X509BundleSource {
  readonly #options: ClientCertificatesOptions
  readonly #foreignAdmins: ReadonlySet<string>
  /** Parsed roots by the very record they came from: a changed bundle is another record. */
  readonly #parsed = new WeakMap<TrustBundle, X509Bundle>()
  readonly #warnedAtMs = new Map<string, number>()

  constructor(options: ClientCertificatesOptions) {
    this.#options = options
    this.#foreignAdmins = new Set(options.adminIds.map(String))
  }

  /**
   * Verifies a chain and returns whose it is.
   *
   * @throws {X509SvidError} for a chain that is no X509-SVID, or that nothing here trusts; {@link Error} for a stranger
   */
  readonly verify = (chain: readonly Uint8Array[]): { readonly spiffeId: string } => {
    const [leaf, ...others] = chain
    if (!leaf) throw new Error('client sent no certificate')
    const parsedLeaf = parseCertificate(leaf)
    const id = spiffeIdOfLeaf(parsedLeaf)
    const isOwn = id.isMemberOf(this.#options.trustDomain)
    if (!isOwn && !this.#foreignAdmins.has(String(id))) {
      throw new Error(`"${id}" is neither of this trust domain nor an admin`)
    }
    verifyX509Svid([parsedLeaf, ...others], this, { now: this.#options.clock.now() })
    return { spiffeId: String(id) }
  }

  /** Roots of a trust domain as they are stored now. */
  findX509Bundle(trustDomain: TrustDomain): X509Bundle | undefined {
    const stored = this.#options.findBundle(trustDomain.name)
    if (!stored) {
      this.#warn(trustDomain.name)
      return undefined
    }
    const known = this.#parsed.get(stored)
    if (known) return known
    const certificates = stored.x509Authorities.map((one) => parseCertificate(one.certificate))
    const parsed = new X509Bundle(trustDomain, certificates)
    this.#parsed.set(stored, parsed)
    return parsed
  }

  #warn(name: string): void {
    const nowMs = this.#options.clock.nowMs()
    const last = this.#warnedAtMs.get(name)
    if (last !== undefined && nowMs - last < warningIntervalMs) return
    if (last === undefined && this.#warnedAtMs.size >= maxRememberedDomains) return
    this.#warnedAtMs.set(name, nowMs)
    this.#options.log.warn('No bundle found for foreign admin trust domain', {
      trust_domain_id: `spiffe://${name}`,
    })
  }
}
