import type { Clock } from '@mini-spire/runtime/clock'
import {
  type HttpAnswer,
  type HttpClient,
  HttpError,
  type HttpRequest,
} from '@mini-spire/runtime/http/http-client'
import { SpiffeBundle, X509Bundle } from '@mini-spire/sdk/bundle'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { BundleEndpointError } from './bundle-endpoint-error.ts'
import type { RemoteAddresses } from './remote-addresses.ts'

/** Bounds of one fetch. A bundle of a hundred keys has some 200 KiB. */
const limits = { timeoutMs: 30_000, maxBytes: 4 * 1024 * 1024, redirects: 3 } as const

/** Options of {@link BundleFetcher}. */
export interface BundleFetcherOptions {
  readonly http: Pick<HttpClient, 'request'>
  /** Bundles as they are stored now. */
  readonly findBundle: (trustDomainName: string) => TrustBundle | undefined
  /** Where a redirect may lead. */
  readonly remoteAddresses: RemoteAddresses
  readonly clock: Clock
}

/** Fetches bundles from bundle endpoints [SPIFFE Federation 5]. */
export class BundleFetcher {
  readonly #options: BundleFetcherOptions

  constructor(options: BundleFetcherOptions) {
    this.#options = options
  }

  /**
   * Fetches the bundle that a relationship leads to.
   *
   * The endpoint proves itself as the relationship's profile says, at every hop of a redirect too: by the web's authorities
   * and the host's name, or by an X509-SVID with exactly the endpoint's ID that leads to a root of that ID's own trust domain.
   * Redirects are followed three times at most, over https only, into our own network never unless allowed, and are never
   * remembered. What is not understood in the document is ignored, as the standard asks; what is malformed refuses all of it.
   *
   * Whether the bundle may be believed is not checked here: the document names no trust domain.
   *
   * @throws {BundleEndpointError}
   */
  async fetch(relationship: FederationRelationship, signal?: AbortSignal): Promise<SpiffeBundle> {
    const { trustDomain, profile } = relationship
    const trust =
      profile.kind === 'https_spiffe' ? this.#trustOf(profile.endpointSpiffeId) : undefined
    const answer = await this.#request({
      url: relationship.bundleEndpointUrl,
      ...(trust && { verifyServer: trust }),
      ...this.#redirectRules(),
      timeoutMs: limits.timeoutMs,
      maxBytes: limits.maxBytes,
      ...(signal && { signal }),
    })
    if (answer.status !== 200) {
      throw new BundleEndpointError(
        'ERR_BUNDLE_ENDPOINT_STATUS',
        fetchFailed(`unexpected status ${answer.status} fetching bundle`),
      )
    }
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(answer.body)
      return SpiffeBundle.parse(trustDomain, text)
    } catch (cause) {
      const why = isSpiffeError(cause) ? documentFault(cause.code) : 'not UTF-8'
      throw new BundleEndpointError(
        'ERR_BUNDLE_ENDPOINT_DOCUMENT',
        fetchFailed(`failed to decode bundle: ${why}`),
      )
    }
  }

  async #request(request: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#options.http.request(request)
    } catch (cause) {
      if (!(cause instanceof HttpError)) throw cause
      const message = fetchFailed(`failed to fetch bundle: ${cause.message}`)
      throw new BundleEndpointError('ERR_BUNDLE_ENDPOINT_FAILED', message, { cause })
    }
  }

  /** Judges the certificates of an endpoint by the bundle of its own trust domain, as it is at this moment. */
  #trustOf(expected: SpiffeId): (chain: readonly Uint8Array[]) => void {
    const stored = this.#options.findBundle(expected.trustDomain.name)
    if (!stored) {
      throw new BundleEndpointError(
        'ERR_BUNDLE_ENDPOINT_NOT_TRUSTED',
        "can't perform SPIFFE Authentication: local copy of bundle not found",
      )
    }
    const roots = stored.x509Authorities.map((one) => parseCertificate(one.certificate))
    const bundle = new X509Bundle(expected.trustDomain, roots)
    return (chain) => {
      const id = verifyX509Svid(chain, bundle, { now: this.#options.clock.now() })
      if (!id.equals(expected)) throw new Error(`unexpected ID "${id}"`)
    }
  }

  /** The operator chose the URL; where it redirects to, the other side chose. */
  #redirectRules(): Pick<HttpRequest, 'redirects' | 'checkAddress'> {
    let isRemoteChoice = false
    return {
      redirects: {
        max: limits.redirects,
        check: (next) => {
          if (next.username !== '' || next.password !== '') throw new Error('it has user info')
          isRemoteChoice = true
        },
      },
      checkAddress: (address) => {
        if (isRemoteChoice && !this.#options.remoteAddresses.mayLeadTo(address)) {
          throw new Error(`a redirect may not lead to ${address}`)
        }
      },
    }
  }
}

/** What was wrong with a document, without a word of it. */
function documentFault(code: string): string {
  switch (code) {
    case 'ERR_JSON_MALFORMED':
      return 'not the JSON of one object without repeated members'
    case 'ERR_BUNDLE_MALFORMED':
      return 'not a SPIFFE bundle'
    default:
      return 'a certificate in it is none'
  }
}

function fetchFailed(why: string): string {
  return `failed to fetch federated bundle from endpoint: ${why}`
}
