import { isJsonObject, type JsonObject } from '../bundle/strict-json.ts'
import { type Clock, systemClock } from '../clock.ts'
import {
  ask,
  getSubjectSvid,
  httpFor,
  type ReachOptions,
  type RenewalOptions,
  RenewedCredential,
  readMember,
  readObject,
  unreadable,
  type WaitOptions,
} from '../exchange/index.ts'
import type { HttpClient } from '../http/index.ts'
import type { X509Svid, X509SvidSource } from '../x509-svid/index.ts'
import {
  type AwsCredentialProvider,
  type AwsCredentialSource,
  type AwsCredentials,
  type HeldCredentials,
  heldCredentials,
} from './aws-credentials.ts'
import {
  type AwsEndpointOptions,
  awsEndpoint,
  checkArn,
  checkDuration,
  sessionName,
} from './aws-names.ts'
import { signWithSvid } from './sign-request.ts'

/** Options of {@link RolesAnywhereCredentials}. */
export interface RolesAnywhereOptions extends AwsEndpointOptions, RenewalOptions, ReachOptions {
  readonly svids: X509SvidSource
  readonly trustAnchorArn: string
  readonly profileArn: string
  readonly roleArn: string
  /** Within the profile's maximum. @default 3600 */
  readonly durationSeconds?: number | undefined
  /** Sent only when given: the profile must accept names. */
  readonly sessionName?: string | undefined
}

const who = 'AWS IAM Roles Anywhere'
const names = {
  accessKeyId: 'accessKeyId',
  secretAccessKey: 'secretAccessKey',
  sessionToken: 'sessionToken',
  expiration: 'expiration',
}

/**
 * Credentials of an AWS role for an X509-SVID, by `CreateSession` of IAM Roles Anywhere: the key of the SVID signs the
 * request and never leaves the process. They are renewed ahead of their end, with the SVID of that moment.
 *
 * @example
 * await using svids = await X509Source.create()
 * using aws = new RolesAnywhereCredentials({ svids, trustAnchorArn, profileArn, roleArn, region: 'eu-central-1' })
 * const s3 = new S3Client({ region: 'eu-central-1', credentials: aws.provider })
 */
export class RolesAnywhereCredentials implements AwsCredentialSource, Disposable {
  readonly #options: RolesAnywhereOptions
  readonly #url: URL
  readonly #clock: Clock
  readonly #http: HttpClient
  readonly #held: RenewedCredential<HeldCredentials>

  /** @throws {ExchangeError} `ERR_EXCHANGE_OPTION` */
  constructor(options: RolesAnywhereOptions) {
    checkArn('roleArn', options.roleArn, 'iam', 'role')
    checkArn('profileArn', options.profileArn, 'rolesanywhere', 'profile')
    checkArn('trustAnchorArn', options.trustAnchorArn, 'rolesanywhere', 'trust-anchor')
    checkDuration(options.durationSeconds ?? 3600)
    this.#options = options
    this.#url = new URL('/sessions', awsEndpoint('rolesanywhere', options))
    this.#clock = options.clock ?? systemClock
    this.#http = httpFor(options)
    this.#held = new RenewedCredential(({ signal }) => this.#createSession(signal), options)
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

  async #createSession(signal: AbortSignal): Promise<HeldCredentials> {
    const svid = getSubjectSvid(this.#options.svids, this.#clock)
    const { region } = this.#options
    const body = JSON.stringify(this.#session(svid))
    const headers = signWithSvid(
      svid,
      { url: this.#url, body, contentType: 'application/json' },
      { region, service: 'rolesanywhere', now: this.#clock.now() },
    )
    const answer = await ask(this.#http, {
      who,
      url: this.#url.href,
      method: 'POST',
      headers,
      body,
      ...(this.#options.roots && { roots: this.#options.roots }),
      signal,
    })
    return readSession(readObject(who, answer))
  }

  #session(svid: X509Svid): JsonObject {
    const { durationSeconds = 3600, profileArn, roleArn, trustAnchorArn } = this.#options
    const given = this.#options.sessionName
    return {
      durationSeconds,
      profileArn,
      roleArn,
      trustAnchorArn,
      ...(given !== undefined && { roleSessionName: sessionName(given, svid.spiffeId) }),
    }
  }
}

/** One role is asked for, so one set of credentials must come. */
function readSession(answer: JsonObject): HeldCredentials {
  const sets = answer['credentialSet']
  const [set, ...others]: readonly unknown[] = Array.isArray(sets) ? sets : []
  if (others.length > 0 || !isJsonObject(set as JsonObject)) throw unreadable(who)
  return heldCredentials(who, readMember(who, set as JsonObject, 'credentials'), names)
}
