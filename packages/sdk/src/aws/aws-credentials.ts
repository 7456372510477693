import type { JsonObject } from '../bundle/strict-json.ts'
import type { WaitOptions } from '../exchange/index.ts'
import { readInstant, readText } from '../exchange/index.ts'

/** Temporary credentials of AWS, in the shape of `AwsCredentialIdentity` of @aws-sdk. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** When they end. */
  readonly expiration: Date
}

/** What `credentials` of every client of @aws-sdk takes: an `AwsCredentialIdentityProvider`. */
export type AwsCredentialProvider = () => Promise<AwsCredentials>

/** A source of credentials: what the providers of this module are to a program that asks by itself. */
export interface AwsCredentialSource {
  getCredentials(options?: WaitOptions): Promise<AwsCredentials>
}

/** Credentials as {@link RenewedCredential} keeps them. */
export interface HeldCredentials {
  readonly credentials: AwsCredentials
  readonly expiresAt: Date
}

/** Reads credentials out of an answer; the names of its members differ by service. */
export function heldCredentials(
  who: string,
  answer: JsonObject,
  names: Readonly<Record<keyof AwsCredentials, string>>,
): HeldCredentials {
  const expiration = readInstant(who, readText(who, answer, names.expiration))
  const credentials = {
    accessKeyId: readText(who, answer, names.accessKeyId),
    secretAccessKey: readText(who, answer, names.secretAccessKey),
    sessionToken: readText(who, answer, names.sessionToken),
    expiration,
  }
  return { credentials, expiresAt: expiration }
}

/** The JSON that AWS's tools read from a `credential_process` [version 1]. */
export function formatCredentialProcess(credentials: AwsCredentials): string {
  return JSON.stringify({
    Version: 1,
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: credentials.expiration.toISOString(),
  })
}
