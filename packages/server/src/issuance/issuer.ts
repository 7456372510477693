import { hash, randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '@mini-spire/runtime/clock'
import { type DistinguishedName, encodeName } from '@mini-spire/runtime/x509/name'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type PublicKey, parsePublicKey } from '@mini-spire/sdk/x509'
import type { JwtKey } from '../ca/jwt-key.ts'
import { signDownstreamCa } from '../ca/sign-ca.ts'
import { signJwtSvid } from '../ca/sign-jwt-svid.ts'
import { type SignedX509Svid, signX509Svid } from '../ca/sign-x509-svid.ts'
import type { X509Ca } from '../ca/x509-ca.ts'
import { checkWorkloadId } from '../registration/check-id.ts'
import type { IssuanceLog, IssuanceRecord } from '../store/store.ts'
import { IssuanceError } from './issuance-error.ts'
import type {
  AgentSvidRequest,
  DownstreamCaRequest,
  IssuedDownstreamCa,
  IssuedJwtSvid,
  IssuedX509Svid,
  JwtSvidRequest,
  MintJwtSvidRequest,
  MintX509SvidRequest,
  X509SvidRequest,
} from './issued-svid.ts'
import { readMintedNames } from './mint-request.ts'
import { agentCsrTexts, csrTexts, csrWithProvenKey, mintCsrTexts } from './proven-key.ts'

/** How many certificates of a batch are made before others get their turn on the event loop. */
const batchChunk = 16

const defaultSubject: DistinguishedName = { country: ['US'], organization: ['SPIRE'] }
const defaultSubjectDer = encodeName(defaultSubject)

/** What signs: the authority manager. */
export interface ActiveAuthorities {
  x509(): X509Ca
  jwt(): JwtKey
  readonly isJwtDisabled: boolean
}

/** How long what is issued lives when nobody says otherwise. */
export interface DefaultTtls {
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly agentSvidTtlSeconds: number
  readonly caTtlSeconds: number
}

/** Kinds of documents that are counted, each when it was signed. */
export type SignedKind = 'x509_svid' | 'x509_ca_svid' | 'jwt_svid'

/** Options of {@link Issuer}. */
export interface IssuerOptions {
  readonly trustDomain: TrustDomain
  readonly authorities: ActiveAuthorities
  readonly issuanceLog: Pick<IssuanceLog, 'append'>
  readonly clock: Clock
  readonly ttls: DefaultTtls
  /** `jwt_issuer`; empty: tokens have no `iss`. */
  readonly jwtIssuer: string
  /** Counts what was signed. */
  readonly onSigned?: (kind: SignedKind) => void
  /** @default the system's randomness */
  readonly serialNumbers?: SerialNumbers
  /** Draws a `jti`; @default base64url of a random UUID */
  readonly newTokenId?: () => string
}

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
  readonly #options: IssuerOptions
  readonly #serialNumbers: SerialNumbers
  readonly #serverId: SpiffeId

  constructor(options: IssuerOptions) {
    this.#options = options
    this.#serialNumbers = options.serialNumbers ?? new SerialNumbers()
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
   * Issues many, each by itself: what one is refused for does not touch the others. Others get their turn on the event loop
   * after every sixteen.
   *
   * @returns in the order of the requests: the SVID, or the error that {@link Issuer.issueX509Svid} would have thrown
   */
  async issueX509Svids(
    requests: readonly X509SvidRequest[],
  ): Promise<readonly (IssuedX509Svid | IssuanceError)[]> {
    const results: (IssuedX509Svid | IssuanceError)[] = []
    for (let start = 0; start < requests.length; start += batchChunk) {
      if (start > 0) await setImmediate()
      const chunk = requests.slice(start, start + batchChunk)
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
    return await this.#sign('failed to sign X509 SVID', {
      type: 'agent-svid',
      spiffeId: request.spiffeId,
      publicKey,
      subject: defaultSubjectDer,
      dnsNames: [],
      ttlSeconds: this.#options.ttls.agentSvidTtlSeconds,
      entryId: '',
      requester: request.requester,
    })
  }

  /**
   * Issues the server's own X509-SVID for a key it made.
   *
   * @throws {IssuanceError} `ERR_SIGNING_FAILED`
   */
  async issueServerSvid(request: { readonly publicKey: Uint8Array }): Promise<IssuedX509Svid> {
    return await this.#sign('failed to sign X509 SVID', {
      type: 'x509-svid',
      spiffeId: this.#serverId,
      publicKey: parsePublicKey(request.publicKey),
      subject: defaultSubjectDer,
      dnsNames: [],
      ttlSeconds: this.#options.ttls.x509SvidTtlSeconds,
      entryId: '',
      requester: this.#serverId.toString(),
    })
  }

  /**
   * Issues an X509-SVID at an operator's request, with the names that the signing request asks for, checked and written anew.
   *
   * @throws {IssuanceError} `ERR_CSR_REFUSED`, `ERR_SIGNING_FAILED`
   */
  async mintX509Svid(request: MintX509SvidRequest): Promise<IssuedX509Svid> {
    const csr = await csrWithProvenKey(request.csr, mintCsrTexts)
    const { spiffeId, dnsNames, subject } = readMintedNames(csr, this.#options.trustDomain)
    return await this.#sign('failed to sign X509-SVID', {
      type: 'x509-svid',
      spiffeId,
      publicKey: csr.publicKey,
      subject: subjectWith(subject ?? defaultSubject, dnsNames),
      dnsNames,
      ttlSeconds: orDefault(request.ttlSeconds, this.#options.ttls.x509SvidTtlSeconds),
      entryId: '',
      requester: request.requester,
    })
  }

  /**
   * Issues an intermediate CA to a downstream server of the same trust domain.
   *
   * @throws {IssuanceError} `ERR_CSR_REFUSED`, `ERR_SIGNING_FAILED`
   */
  async issueDownstreamCa(request: DownstreamCaRequest): Promise<IssuedDownstreamCa> {
    const { publicKey } = await csrWithProvenKey(request.csr, csrTexts)
    const { authorities, clock, trustDomain, ttls } = this.#options
    const nowMs = clock.nowMs()
    const ttlSeconds = orDefault(request.ttlSeconds, ttls.caTtlSeconds)
    const serialNumbers = this.#serialNumbers
    const signed = await explained('failed to sign downstream X.509 CA', () =>
      signDownstreamCa({
        ca: authorities.x509(),
        trustDomain,
        publicKey,
        ttlSeconds,
        nowMs,
        serialNumbers,
      }),
    )
    this.#writeDown('x509_ca_svid', {
      type: 'x509-ca',
      identifier: signed.serialNumber,
      spiffeId: trustDomain.idString,
      entryId: '',
      requester: request.requester,
      issuedAtSeconds: Math.floor(nowMs / 1000),
      expiresAtSeconds: signed.notAfterSeconds,
    })
    return { chain: signed.chain, expiresAtSeconds: signed.notAfterSeconds }
  }

  /**
   * Issues a workload's JWT-SVID by its entry; with a `jti` when the entry asks for one.
   *
   * @throws {IssuanceError} `ERR_JWT_SVIDS_DISABLED`, `ERR_SVID_ID_REFUSED`, `ERR_AUDIENCE_MISSING`, `ERR_SIGNING_FAILED`
   */
  async issueJwtSvid({ entry, audience, requester }: JwtSvidRequest): Promise<IssuedJwtSvid> {
    return await this.#signJwt({
      spiffeId: entry.spiffeId,
      audience,
      ttlSeconds: entry.jwtSvidTtlSeconds,
      tokenId: entry.jwtSvidIncludeJti ? this.#newTokenId() : undefined,
      entryId: entry.id,
      requester,
    })
  }

  /** Issues a JWT-SVID at an operator's request; never with a `jti`. @throws {IssuanceError} as {@link Issuer.issueJwtSvid} */
  async mintJwtSvid(request: MintJwtSvidRequest): Promise<IssuedJwtSvid> {
    return await this.#signJwt({ ...request, tokenId: undefined, entryId: '' })
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
        serialNumbers: this.#serialNumbers,
      })
    })
  }

  async #issueByEntry({ entry, csr, requester }: X509SvidRequest): Promise<IssuedX509Svid> {
    const { publicKey } = await csrWithProvenKey(csr, csrTexts)
    return this.#sign('failed to sign X509-SVID', {
      type: 'x509-svid',
      spiffeId: entry.spiffeId,
      publicKey,
      subject: subjectWith(defaultSubject, entry.dnsNames),
      dnsNames: entry.dnsNames,
      ttlSeconds: orDefault(entry.x509SvidTtlSeconds, this.#options.ttls.x509SvidTtlSeconds),
      entryId: entry.id,
      requester,
    })
  }

  async #tryIssue(request: X509SvidRequest): Promise<IssuedX509Svid | IssuanceError> {
    try {
      return await this.#issueByEntry(request)
    } catch (error) {
      if (error instanceof IssuanceError) return error
      throw error
    }
  }

  #sign(
    failure: string,
    decided: {
      readonly type: IssuanceRecord['type']
      readonly spiffeId: SpiffeId
      readonly publicKey: PublicKey
      readonly subject: Uint8Array
      readonly dnsNames: readonly string[]
      readonly ttlSeconds: number
      readonly entryId: string
      readonly requester: string
    },
  ): IssuedX509Svid | Promise<IssuedX509Svid> {
    const { type, publicKey, subject, dnsNames, ttlSeconds, entryId, requester } = decided
    const nowMs = this.#options.clock.nowMs()
    const spiffeId = decided.spiffeId.toString()
    const serialNumbers = this.#serialNumbers
    const issued = (signed: SignedX509Svid): IssuedX509Svid => {
      const { chain, serialNumber, notAfterSeconds: expiresAtSeconds } = signed
      const issuedAtSeconds = Math.floor(nowMs / 1000)
      const identifier = serialNumber
      const who = { identifier, spiffeId, entryId, requester }
      this.#writeDown('x509_svid', { type, ...who, issuedAtSeconds, expiresAtSeconds })
      return { chain, spiffeId: decided.spiffeId, expiresAtSeconds, serialNumber }
    }
    try {
      const ca = this.#options.authorities.x509()
      const what = { spiffeId, publicKey, subject, dnsNames, ttlSeconds, nowMs, serialNumbers }
      const signed = signX509Svid(ca, what)
      if (!(signed instanceof Promise)) return issued(signed)
      return signed.then(issued, (error: unknown) => {
        throw signingFailed(failure, error)
      })
    } catch (error) {
      throw signingFailed(failure, error)
    }
  }

  async #signJwt(decided: {
    readonly spiffeId: SpiffeId
    readonly audience: readonly string[]
    readonly ttlSeconds: number
    readonly tokenId: string | undefined
    readonly entryId: string
    readonly requester: string
  }): Promise<IssuedJwtSvid> {
    const { authorities, clock, jwtIssuer, ttls } = this.#options
    const { spiffeId, tokenId, entryId, requester } = decided
    this.#checkJwtRequest(decided)
    const id = spiffeId.toString()
    const ttlSeconds = orDefault(decided.ttlSeconds, ttls.jwtSvidTtlSeconds)
    const signed = await explained('failed to sign JWT-SVID', () => {
      const audience = decided.audience.filter((value) => value !== '')
      if (audience.length === 0) throw new Error('invalid JWT-SVID audience: cannot be empty')
      const nowMs = clock.nowMs()
      const issuer = jwtIssuer === '' ? undefined : jwtIssuer
      const claims = { spiffeId: id, audience, ttlSeconds, nowMs, issuer, tokenId }
      return signJwtSvid(authorities.jwt(), claims)
    })
    const { issuedAtSeconds, expiresAtSeconds } = signed
    this.#writeDown('jwt_svid', {
      type: 'jwt-svid',
      identifier: tokenId ?? hash('sha256', signed.token),
      spiffeId: id,
      entryId,
      requester,
      issuedAtSeconds,
      expiresAtSeconds,
    })
    return { ...signed, spiffeId }
  }

  #checkJwtRequest({
    spiffeId,
    audience,
  }: {
    readonly spiffeId: SpiffeId
    readonly audience: readonly string[]
  }): void {
    if (this.#options.authorities.isJwtDisabled)
      throw new IssuanceError('ERR_JWT_SVIDS_DISABLED', 'JWT functionality is disabled')
    try {
      checkWorkloadId(this.#options.trustDomain, spiffeId)
    } catch (error) {
      const message = `invalid SPIFFE ID: ${messageOf(error)}`
      throw new IssuanceError('ERR_SVID_ID_REFUSED', message, { cause: error })
    }
    if (audience.length === 0)
      throw new IssuanceError('ERR_AUDIENCE_MISSING', 'at least one audience is required')
  }

  #newTokenId(): string {
    return (this.#options.newTokenId ?? randomTokenId)()
  }

  #writeDown(kind: SignedKind, record: IssuanceRecord): void {
    this.#options.issuanceLog.append(record)
    this.#options.onSigned?.(kind)
  }
}

/** The subject with the first DNS name as its common name. */
function subjectWith(subject: DistinguishedName, dnsNames: readonly string[]): Uint8Array {
  const [commonName] = dnsNames
  if (commonName !== undefined) return encodeName({ ...subject, commonName })
  return subject === defaultSubject ? defaultSubjectDer : encodeName(subject)
}

function orDefault(ttlSeconds: number, defaultSeconds: number): number {
  return ttlSeconds > 0 ? ttlSeconds : defaultSeconds
}

function randomTokenId(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
}

async function explained<Result>(
  failure: string,
  sign: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await sign()
  } catch (error) {
    throw signingFailed(failure, error)
  }
}

function signingFailed(failure: string, error: unknown): IssuanceError {
  return new IssuanceError('ERR_SIGNING_FAILED', `${failure}: ${messageOf(error)}`, {
    cause: error,
  })
}
