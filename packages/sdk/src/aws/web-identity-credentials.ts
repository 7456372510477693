import { type Clock, systemClock } from '../clock.ts'
import {
  ask,
  fetchSubjectToken,
  httpFor,
  type ReachOptions,
  type RenewalOptions,
  RenewedCredential,
  type SubjectOptions,
  type WaitOptions,
} from '../exchange/index.ts'
import type { HttpClient } from '../http/index.ts'
import type {
  AwsCredentialProvider,
  AwsCredentialSource,
  AwsCredentials,
  HeldCredentials,
} from './aws-credentials.ts'
import {
  type AwsEndpointOptions,
  awsEndpoint,
  checkArn,
  checkDuration,
  sessionName,
} from './aws-names.ts'
import { readStsCredentials, stsErrorCode } from './sts.ts'

/** Options of {@link WebIdentityCredentials}. */
export interface WebIdentityOptions
  extends SubjectOptions,
    AwsEndpointOptions,
    RenewalOptions,
    ReachOptions {
  /** `arn:aws:iam::123456789012:role/name` */
  readonly roleArn: string
  /** One of the client IDs of the identity provider in IAM. @default sts.amazonaws.com */
  readonly audience?: string | undefined
  /** Within the role's maximum. @default 3600 */
  readonly durationSeconds?: number | undefined
  /** @default the path of the SPIFFE ID */
  readonly sessionName?: string | undefined
  /** A policy that narrows the role's for this session; JSON. */
  readonly sessionPolicy?: string | undefined
}

/**
 * Credentials of an AWS role for a JWT-SVID, by `AssumeRoleWithWebIdentity`: no secret is stored anywhere. They are renewed
 * ahead of their end and shared by every client that has the provider.
 *
 * The role's trust policy says which issuer, audience and subject it is for; nothing of that can be checked here.
 *
 * @example
 * await using svids = await JwtSource.create()
 * using aws = new WebIdentityCredentials({ svids, roleArn, region: 'eu-central-1' })
 * const s3 = new S3Client({ region: 'eu-central-1', credentials: aws.provider })
 */
export class WebIdentityCredentials implements AwsCredentialSource, Disposable {
  readonly #options: WebIdentityOptions
  readonly #endpoint: URL
  readonly #clock: Clock
  readonly #http: HttpClient
  readonly #held: RenewedCredential<HeldCredentials>

  /** @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
  constructor(options: WebIdentityOptions) {
    checkArn('roleArn', options.roleArn, 'iam', 'role')
    checkDuration(options.durationSeconds ?? 3600)
    this.#options = options
    this.#endpoint = awsEndpoint('sts', options)
    this.#clock = options.clock ?? systemClock
    this.#http = httpFor(options)
    this.#held = new RenewedCredential(({ signal }) => this.#assumeRole(signal), options)
  }

  /** For `credentials` of clients of @aws-sdk. */
  readonly provider: AwsCredentialProvider = () => this.getCredentials()

  /** @throws {ExchangeError} when AWS gives none and those of before have ended */
  async getCredentials(options?: WaitOptions): Promise<AwsCredentials> {
    return (await this.#held.get(options)).credentials
  }

  close(): void {
    this.#held.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  async #assumeRole(signal: AbortSignal): Promise<HeldCredentials> {
    const { audience = 'sts.amazonaws.com', durationSeconds = 3600, sessionPolicy } = this.#options
    const clock = this.#clock
    const svid = await fetchSubjectToken(this.#options, audience, { signal, clock })
    const form = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: this.#options.roleArn,
      RoleSessionName: sessionName(this.#options.sessionName, svid.spiffeId),
      DurationSeconds: String(durationSeconds),
      WebIdentityToken: svid.token,
      ...(sessionPolicy !== undefined && { Policy: sessionPolicy }),
    })
    const answer = await ask(this.#http, {
      who: 'AWS STS',
      codeOf: stsErrorCode,
      url: this.#endpoint.href,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/xml' },
      body: form.toString(),
      ...(this.#options.roots && { roots: this.#options.roots }),
      signal,
    })
    return readStsCredentials(answer)
  }
}
