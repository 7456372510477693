import type { Clock } from '@mini-spire/runtime/clock'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Issuer } from '../issuance/issuer.ts'
import { csrTexts, csrWithProvenKey } from '../issuance/proven-key.ts'
import { exchangeId } from '../model/exchange-id.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Registry } from '../registry/registry.ts'
import type { Cause } from '../store/store.ts'
import { ExchangeError } from './exchange-error.ts'
import type {
  ExchangeContext,
  ExchangedSvid,
  ExchangeQuestion,
  ExchangeRequest,
  WantedSvid,
} from './exchange-request.ts'
import { selectEntry } from './select-entry.ts'
import { selectorsOf } from './token-issuer.ts'
import { type UsedTokenState, useToken } from './used-tokens.ts'
import type { TokenVerifier, VerifiedToken } from './verify-token.ts'

/** Options of {@link TokenExchange}. */
export interface TokenExchangeOptions {
  readonly trustDomain: TrustDomain
  readonly verifier: Pick<TokenVerifier, 'verify'>
  readonly state: UsedTokenState & { readonly registry: Pick<Registry, 'entries'> }
  readonly issuer: Pick<Issuer, 'issueX509Svid' | 'issueJwtSvid'>
  /** Whether the server's policy lets the exchange happen. @throws what keeps it from deciding */
  readonly isAllowed: (question: ExchangeQuestion) => boolean
  readonly areJwtSvidsDisabled: boolean
  readonly clock: Clock
}

/**
 * Exchanges tokens of other issuers for SVIDs: verified token → rules → entry → policy → used up → issued, as every SVID is.
 *
 * A token is used up before anything is signed for it, so no crash leaves an SVID for a token that can be used again; one that is lost
 * between the two costs its holder the token, and nothing else.
 */
export class TokenExchange {
  readonly #options: TokenExchangeOptions
  /** Tokens that an exchange is using right now: others are refused before anything is written for them. */
  readonly #inUse = new Set<string>()

  constructor(options: TokenExchangeOptions) {
    this.#options = options
  }

  /**
   * @throws {ExchangeError} with a code for each thing that can be wrong
   * @throws {IssuanceError} for a CSR that cannot be read, or a CA that cannot sign
   */
  async exchange(request: ExchangeRequest, context: ExchangeContext): Promise<ExchangedSvid> {
    const { verifier } = this.#options
    this.#checkAudience(request.wanted)
    const verified = await verifier.verify(request.subjectToken, ({ name }) => {
      context.audit.addFields({ token_issuer: name })
      context.onIssuer?.(name)
    })
    const { tokenHash } = verified
    context.audit.addFields({ token_hash: tokenHash })
    if (this.#inUse.has(tokenHash)) {
      throw new ExchangeError('ERR_EXCHANGE_TOKEN_USED', 'the token is being exchanged')
    }
    this.#inUse.add(tokenHash)
    try {
      return await this.#exchangeVerified(request, verified, context)
    } finally {
      this.#inUse.delete(tokenHash)
    }
  }

  #checkAudience(wanted: WantedSvid): void {
    if (wanted.kind !== 'jwt-svid') return
    if (this.#options.areJwtSvidsDisabled)
      throw new ExchangeError('ERR_EXCHANGE_TARGET', 'JWT-SVIDs are disabled')
    if (wanted.audience.length === 0)
      throw new ExchangeError('ERR_EXCHANGE_TARGET', 'a JWT-SVID needs an audience')
  }

  async #exchangeVerified(
    { wanted, spiffeId }: ExchangeRequest,
    verified: VerifiedToken,
    { requestId, audit }: ExchangeContext,
  ): Promise<ExchangedSvid> {
    const { trustDomain, state, clock } = this.#options
    const { issuer, claims, tokenHash, expiresAtSeconds } = verified
    const parentId = exchangeId(trustDomain, issuer.name)
    const selectors = selectorsOf(issuer, claims)
    const nowSeconds = clock.nowMs() / 1000
    const { entries } = state.registry
    const entry = selectEntry(entries, { parentId, selectors, spiffeId, nowSeconds })
    audit.addFields({ registration_id: entry.id, spiffe_id: entry.spiffeId.toString() })
    this.#askPolicy(issuer.name, entry, wanted)
    // A request that is refused anyway costs nobody a token.
    if (wanted.kind === 'x509-svid') await csrWithProvenKey(wanted.csr, csrTexts)
    const requester = parentId.toString()
    const actor = { class: 'anonymous', id: requester } as const
    const cause: Cause = { actor, requestId, reason: 'token exchange' }
    await useToken(state, { tokenHash, expiresAtSeconds, cause })
    return await this.#issue(entry, wanted, requester)
  }

  #askPolicy(issuer: string, entry: RegistrationEntry, wanted: WantedSvid): void {
    const isAllowed = this.#options.isAllowed({
      issuer,
      spiffeId: entry.spiffeId.toString(),
      entryId: entry.id,
      requested: wanted.kind,
      audience: wanted.kind === 'jwt-svid' ? wanted.audience : [],
    })
    if (isAllowed) return
    throw new ExchangeError('ERR_EXCHANGE_DENIED', 'the policy does not allow the exchange')
  }

  async #issue(
    entry: RegistrationEntry,
    wanted: WantedSvid,
    requester: string,
  ): Promise<ExchangedSvid> {
    const { issuer } = this.#options
    if (wanted.kind === 'x509-svid') {
      const { csr } = wanted
      return { kind: 'x509-svid', ...(await issuer.issueX509Svid({ entry, csr, requester })) }
    }
    const { audience } = wanted
    return { kind: 'jwt-svid', ...(await issuer.issueJwtSvid({ entry, audience, requester })) }
  }
}
