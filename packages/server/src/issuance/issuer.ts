import { randomUUID } from 'node:crypto'
import { LoopTurns } from '@mini-spire/runtime/loop-turns'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { parsePublicKey } from '@mini-spire/sdk/x509'
import { signDownstreamCa } from '../ca/sign-ca.ts'
import { signX509Svid } from '../ca/sign-x509-svid.ts'
import { IssuanceError } from './issuance-error.ts'
import { issueJwtSvid } from './issue-jwt-svid.ts'
import { issueWitSvid } from './issue-wit-svid.ts'
import { type DecidedX509Svid, issueX509Svid } from './issue-x509-svid.ts'
import type {
  AgentSvidRequest,
  DownstreamCaRequest,
  IssuedDownstreamCa,
  IssuedJwtSvid,
  IssuedX509Svid,
  JwtSvidRequest,
  MintJwtSvidRequest,
  MintX509SvidRequest,
  WitSvidRequest,
  X509SvidRequest,
} from './issued-svid.ts'
import { type IssuerOptions, orDefault } from './issuer-options.ts'
import { readMintedNames } from './mint-request.ts'
import { agentCsrTexts, csrTexts, csrWithProvenKey, mintCsrTexts } from './proven-key.ts'
import { explained } from './signing-failed.ts'
import { defaultSubject, defaultSubjectDer, subjectWith } from './subject.ts'

export type { ActiveAuthorities, DefaultTtls, IssuerOptions, SignedKind } from './issuer-options.ts'

/**
 * How many certificates are made in one turn of the event loop: a commit takes four or five turns, whatever is signed meanwhile. A batch
 * that is done in a few turns gets longer ones, because every turn more costs it as much as a signature.
 */
const perTurn = { short: 16, long: 8 } as const
const longestShortBatch = 64

/**
 * How many turns a batch gets in a row before it goes behind the others. What is half done is kept meanwhile, and what is kept long is
 * collected dearly: batches are rather done one after the other than all at once.
 */
const turnsInARow = 8

/**
 * Issues identity documents: decides what each one says, has it signed, and writes down that it was.
 *
 * Names, DNS names, lifetimes and flags come from the registration entry, or from what the server decided at attestation. A
 * signing request gives a public key and the proof that its sender holds it, nothing else [gate 2]; the one exception is
 * {@link Issuer.mintX509Svid}. Nothing outlives its issuer.
 *
 * Whether the caller may ask is not checked here: authorization has been passed.
 */
export class Issuer {
  readonly #options: IssuerOptions & { readonly serialNumbers: SerialNumbers }
  readonly #serverId: SpiffeId
  readonly #turns = new LoopTurns()

  constructor(options: IssuerOptions) {
    this.#options = { ...options, serialNumbers: options.serialNumbers ?? new SerialNumbers() }
    this.#serverId = SpiffeId.fromSegments(options.trustDomain, 'spire', 'server')
  }

  /**
   * Issues a workload's X509-SVID by its entry.
   *
   * @throws {IssuanceError} `ERR_CSR_REFUSED`, `ERR_SIGNING_FAILED`
   */
  async issueX509Svid(request: X509SvidRequest): Promise<IssuedX509Svid> {
    return await this.#issueByEntry(request)
  }

  /**
   * Issues many, each by itself: what one is refused for does not touch the others. All batches together get one turn of the
   * event loop after the other, for a few certificates, and each batch some turns in a row.
   *
   * @returns in the order of the requests: the SVID, or the error that {@link Issuer.issueX509Svid} would have thrown
   */
  async issueX509Svids(
    requests: readonly X509SvidRequest[],
  ): Promise<readonly (IssuedX509Svid | IssuanceError)[]> {
    const results: (IssuedX509Svid | IssuanceError)[] = []
    const size = requests.length > longestShortBatch ? perTurn.long : perTurn.short
    for (let start = 0; start < requests.length; start += size) {
      if (start > 0) await this.#nextTurn(start / size - 1)
      const chunk = requests.slice(start, start + size)
      results.push(...(await Promise.all(chunk.map((request) => this.#tryIssue(request)))))
    }
    return results
  }

  /**
   * Issues an agent's X509-SVID, at attestation or renewal.
   *
   * @throws {IssuanceError} `ERR_CSR_REFUSED`, `ERR_SIGNING_FAILED`
   */
  async issueAgentSvid(request: AgentSvidRequest): Promise<IssuedX509Svid> {
    const { publicKey } = await csrWithProvenKey(request.csr, agentCsrTexts)
    const decided: DecidedX509Svid = {
      type: 'agent-svid',
      holder: 'agent',
      spiffeId: request.spiffeId,
      publicKey,
      subject: defaultSubjectDer,
      dnsNames: [],
      ttlSeconds: this.#options.ttls.agentSvidTtlSeconds,
      entryId: '',
      requester: request.requester,
    }
    return await issueX509Svid(this.#options, decided, 'failed to sign X509 SVID')
  }

  /**
   * Issues the server's own X509-SVID for a key it made.
   *
   * @throws {IssuanceError} `ERR_SIGNING_FAILED`
   */
  async issueServerSvid(request: { readonly publicKey: Uint8Array }): Promise<IssuedX509Svid> {
    const decided: DecidedX509Svid = {
      type: 'x509-svid',
      holder: 'server',
      spiffeId: this.#serverId,
      publicKey: parsePublicKey(request.publicKey),
      subject: defaultSubjectDer,
      dnsNames: [],
      ttlSeconds: this.#options.ttls.x509SvidTtlSeconds,
      entryId: '',
      requester: this.#serverId.toString(),
    }
    return await issueX509Svid(this.#options, decided, 'failed to sign X509 SVID')
  }

  /**
   * Issues an X509-SVID at an operator's request, with the names that the signing request asks for, checked and written anew.
   *
   * @throws {IssuanceError} `ERR_CSR_REFUSED`, `ERR_SIGNING_FAILED`
   */
  async mintX509Svid(request: MintX509SvidRequest): Promise<IssuedX509Svid> {
    const csr = await csrWithProvenKey(request.csr, mintCsrTexts)
    const { spiffeId, dnsNames, subject } = readMintedNames(csr, this.#options.trustDomain)
    const decided: DecidedX509Svid = {
      type: 'x509-svid',
      holder: 'workload',
      spiffeId,
      publicKey: csr.publicKey,
      subject: subjectWith(subject ?? defaultSubject, dnsNames),
      dnsNames,
      ttlSeconds: orDefault(request.ttlSeconds, this.#options.ttls.x509SvidTtlSeconds),
      entryId: '',
      requester: request.requester,
    }
    return await issueX509Svid(this.#options, decided, 'failed to sign X509-SVID')
  }

  /**
   * Issues an intermediate CA to a downstream server of the same trust domain.
   *
   * @throws {IssuanceError} `ERR_CSR_REFUSED`, `ERR_SIGNING_FAILED`
   */
  async issueDownstreamCa(request: DownstreamCaRequest): Promise<IssuedDownstreamCa> {
    const { publicKey } = await csrWithProvenKey(request.csr, csrTexts)
    const { authorities, clock, composers, trustDomain, serialNumbers, ttls } = this.#options
    const nowMs = clock.nowMs()
    const ttlSeconds = orDefault(request.ttlSeconds, ttls.caTtlSeconds)
    const signed = await explained('failed to sign downstream X.509 CA', () =>
      signDownstreamCa({
        ca: authorities.x509(),
        trustDomain,
        publicKey,
        ttlSeconds,
        nowMs,
        serialNumbers,
        composers,
      }),
    )
    this.#options.issuanceLog.append({
      type: 'x509-ca',
      identifier: signed.serialNumber,
      spiffeId: trustDomain.idString,
      entryId: '',
      requester: request.requester,
      issuedAtSeconds: Math.floor(nowMs / 1000),
      expiresAtSeconds: signed.notAfterSeconds,
    })
    this.#options.onSigned?.('x509_ca_svid')
    return { chain: signed.chain, expiresAtSeconds: signed.notAfterSeconds }
  }

  /**
   * Issues a workload's JWT-SVID by its entry; with a `jti` when the entry asks for one.
   *
   * @throws {IssuanceError} `ERR_JWT_SVIDS_DISABLED`, `ERR_SVID_ID_REFUSED`, `ERR_AUDIENCE_MISSING`, `ERR_SIGNING_FAILED`
   */
  async issueJwtSvid({ entry, audience, requester }: JwtSvidRequest): Promise<IssuedJwtSvid> {
    return await issueJwtSvid(this.#options, {
      spiffeId: entry.spiffeId,
      audience,
      ttlSeconds: entry.jwtSvidTtlSeconds,
      tokenId: entry.jwtSvidIncludeJti ? (this.#options.newTokenId ?? randomTokenId)() : undefined,
      entryId: entry.id,
      requester,
    })
  }

  /** Issues a JWT-SVID at an operator's request; never with a `jti`. @throws {IssuanceError} as {@link Issuer.issueJwtSvid} */
  async mintJwtSvid(request: MintJwtSvidRequest): Promise<IssuedJwtSvid> {
    return await issueJwtSvid(this.#options, { ...request, tokenId: undefined, entryId: '' })
  }

  /** Whether WIT-SVIDs are switched off. */
  get isWitDisabled(): boolean {
    return this.#options.authorities.isWitDisabled
  }

  /** Issues a WIT-SVID. @throws {IssuanceError} `ERR_SIGNING_FAILED` */
  async issueWitSvid(request: WitSvidRequest): Promise<IssuedJwtSvid> {
    return await issueWitSvid(this.#options, request)
  }

  /**
   * Signs an X509-SVID that nobody gets: the health check `server.ca`.
   *
   * @throws {IssuanceError} `ERR_SIGNING_FAILED`
   */
  async checkHealth(): Promise<void> {
    await explained('failed to sign X509 SVID', () => {
      const ca = this.#options.authorities.x509()
      return signX509Svid(ca, {
        spiffeId: `${this.#options.trustDomain.idString}/for/health/check/only`,
        publicKey: parsePublicKey(ca.key.publicKey),
        subject: defaultSubjectDer,
        dnsNames: [],
        ttlSeconds: this.#options.ttls.x509SvidTtlSeconds,
        nowMs: this.#options.clock.nowMs(),
        serialNumbers: this.#options.serialNumbers,
      })
    })
  }

  /** @param turn how many a batch has waited for already; the first of a row is waited for behind all others */
  #nextTurn(turn: number): Promise<void> {
    return turn % turnsInARow === 0 ? this.#turns.next() : this.#turns.again()
  }

  async #issueByEntry({ entry, csr, requester }: X509SvidRequest): Promise<IssuedX509Svid> {
    const { publicKey } = await csrWithProvenKey(csr, csrTexts)
    const ttlSeconds = orDefault(entry.x509SvidTtlSeconds, this.#options.ttls.x509SvidTtlSeconds)
    const decided: DecidedX509Svid = {
      type: 'x509-svid',
      holder: 'workload',
      spiffeId: entry.spiffeId,
      publicKey,
      subject: subjectWith(defaultSubject, entry.dnsNames),
      dnsNames: entry.dnsNames,
      ttlSeconds,
      entryId: entry.id,
      requester,
    }
    return await issueX509Svid(this.#options, decided, 'failed to sign X509-SVID')
  }

  async #tryIssue(request: X509SvidRequest): Promise<IssuedX509Svid | IssuanceError> {
    try {
      return await this.#issueByEntry(request)
    } catch (error) {
      if (error instanceof IssuanceError) return error
      throw error
    }
  }
}

function randomTokenId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
}
