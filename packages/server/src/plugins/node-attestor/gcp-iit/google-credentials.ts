import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpAnswer, HttpClient } from '@mini-spire/runtime/http/http-client'
import { stringIn } from '@mini-spire/runtime/json-fields'
import { osErrorText } from '@mini-spire/runtime/os-error'

const tokenEndpoint = 'https://oauth2.googleapis.com/token'
const scope = 'https://www.googleapis.com/auth/compute.readonly'
const metadataHost = 'metadata.google.internal'
const tokenPath = '/computeMetadata/v1/instance/service-accounts/default/token'
const assertionLifetimeSeconds = 3600
const timeoutMs = 10_000

/** Options of {@link fetchGoogleToken}. */
export interface GoogleCredentialOptions {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Key file of a service account; empty: what Google's tools would use, in their order. */
  readonly serviceAccountFile: string
  readonly signal: AbortSignal
}

/**
 * Gets an access token that may read instances: of the service account file, else of the file that
 * `GOOGLE_APPLICATION_CREDENTIALS` names, else of `gcloud auth application-default login`, else of the instance that this
 * server runs on.
 *
 * @throws {Error} whose text repeats no secret
 */
export async function fetchGoogleToken(options: GoogleCredentialOptions): Promise<string> {
  const { serviceAccountFile, environment } = options
  if (serviceAccountFile !== '') {
    return await tokenOfFile(await readCredentials(serviceAccountFile), options)
  }
  const named = environment['GOOGLE_APPLICATION_CREDENTIALS'] ?? ''
  if (named !== '') return await tokenOfFile(await readCredentials(named), options)
  const own = await readUserCredentials(environment['HOME'] ?? '')
  if (own !== undefined) return await tokenOfFile(own, options)
  return await tokenOfInstance(options)
}

async function readCredentials(path: string): Promise<object> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new Error(osErrorText('open', path, cause), { cause })
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The parser's text quotes the file, which holds a key.
  }
  throw new Error(`${path} is not a JSON object`)
}

async function readUserCredentials(home: string): Promise<object | undefined> {
  if (home === '') return undefined
  const path = join(home, '.config', 'gcloud', 'application_default_credentials.json')
  try {
    return await readCredentials(path)
  } catch (error) {
    if (error instanceof Error && Reflect.get(Object(error.cause), 'code') === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

async function tokenOfFile(file: object, options: GoogleCredentialOptions): Promise<string> {
  const type = stringIn(file, 'type')
  if (type === 'service_account') {
    return await exchange(stringIn(file, 'token_uri') || tokenEndpoint, options, {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: assertionOf(file, options.clock),
    })
  }
  if (type === 'authorized_user' && options.serviceAccountFile === '') {
    return await exchange(tokenEndpoint, options, {
      grant_type: 'refresh_token',
      client_id: stringIn(file, 'client_id'),
      client_secret: stringIn(file, 'client_secret'),
      refresh_token: stringIn(file, 'refresh_token'),
    })
  }
  throw new Error(`credentials of type ${JSON.stringify(type)} are not supported`)
}

/** A token request that the account's key signs [RFC 7523]. */
function assertionOf(file: object, clock: Clock): string {
  const issuedAt = Math.trunc(clock.now().getTime() / 1000)
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = encode({ alg: 'RS256', typ: 'JWT', kid: stringIn(file, 'private_key_id') })
  const claims = encode({
    iss: stringIn(file, 'client_email'),
    scope,
    aud: stringIn(file, 'token_uri') || tokenEndpoint,
    iat: issuedAt,
    exp: issuedAt + assertionLifetimeSeconds,
  })
  const signature = sign('sha256', Buffer.from(`${header}.${claims}`), privateKeyOf(file))
  return `${header}.${claims}.${signature.toString('base64url')}`
}

function privateKeyOf(file: object): KeyObject {
  try {
    return createPrivateKey(stringIn(file, 'private_key'))
  } catch {
    throw new Error('the service account has no usable private key')
  }
}

async function exchange(
  url: string,
  { http, signal }: GoogleCredentialOptions,
  form: Readonly<Record<string, string>>,
): Promise<string> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams(form).toString()
  return readToken(await http.request({ url, method: 'POST', headers, body, timeoutMs, signal }))
}

async function tokenOfInstance({
  http,
  environment,
  signal,
}: GoogleCredentialOptions): Promise<string> {
  const url = `http://${environment['GCE_METADATA_HOST'] || metadataHost}${tokenPath}`
  const headers = { 'metadata-flavor': 'Google' }
  return readToken(await http.request({ url, headers, proxy: 'none', timeoutMs, signal }))
}

function readToken({ status, statusLine, body }: HttpAnswer): string {
  if (status !== 200) throw new Error(`no access token: ${statusLine}`)
  let answer: unknown
  try {
    answer = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    answer = undefined
  }
  const token = stringIn(answer, 'access_token')
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('no access token in the answer')
  return token
}
