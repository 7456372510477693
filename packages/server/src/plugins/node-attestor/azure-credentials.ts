import { readFile } from 'node:fs/promises'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { HttpAnswer, HttpClient } from '@mini-spire/runtime/http/http-client'
import { stringIn } from '@mini-spire/runtime/json-fields'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { JsonWebToken, tokenAlgorithms } from './json-web-token.ts'

const resource = 'https://management.azure.com/'
const tokenOfMachineUrl = 'http://169.254.169.254/metadata/identity/oauth2/token'
const instanceUrl = 'http://169.254.169.254/metadata/instance?api-version=2025-04-07&format=json'
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const timeoutMs = 10_000
const machineHeaders = { metadata: 'true' }

/** An application of a tenant, and what proves it: a secret, or a token file of another issuer that the tenant trusts. */
export type AzureApplication =
  | { readonly id: string; readonly secret: string }
  | { readonly id: string; readonly tokenPath: string }

/** Who asks Azure's management API, and for which tenant. */
export interface AzureCredentialOptions {
  readonly http: Pick<HttpClient, 'request'>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly tenantId: string
  /** Undefined: who the environment says, else the machine's own managed identity. */
  readonly application: AzureApplication | undefined
}

/** An access token for the management API. */
export interface AzureToken {
  /** A secret. */
  readonly value: string
  readonly lifeSeconds: number
}

/**
 * Gets an access token for Azure's management API: of the application, else of the application that `AZURE_CLIENT_ID`
 * names (by `AZURE_CLIENT_SECRET` or, for a workload identity, by `AZURE_FEDERATED_TOKEN_FILE`), else of the managed
 * identity of the machine that this server runs on.
 *
 * @throws {Error} whose text repeats no secret
 */
export async function fetchAzureToken(
  options: AzureCredentialOptions,
  signal: AbortSignal,
): Promise<AzureToken> {
  const { environment, application = applicationIn(environment) } = options
  if (!application) {
    return await tokenOfMachine(options, signal, environment['AZURE_CLIENT_ID'] ?? '')
  }
  const { id } = application
  const proof =
    'secret' in application
      ? { client_secret: application.secret }
      : {
          client_assertion_type: assertionType,
          client_assertion: await readToken(application.tokenPath),
        }
  return await tokenOfApplication(options, signal, { client_id: id, ...proof })
}

function applicationIn(
  environment: AzureCredentialOptions['environment'],
): AzureApplication | undefined {
  const id = environment['AZURE_CLIENT_ID'] ?? ''
  const secret = environment['AZURE_CLIENT_SECRET'] ?? ''
  const tokenPath = environment['AZURE_FEDERATED_TOKEN_FILE'] ?? ''
  if (id === '') return undefined
  if (secret !== '') return { id, secret }
  return tokenPath === '' ? undefined : { id, tokenPath }
}

/**
 * The subscription of the machine that this server runs on.
 *
 * @throws {Error} when it is not one of Azure's
 */
export async function fetchOwnSubscription(
  { http }: Pick<AzureCredentialOptions, 'http'>,
  signal: AbortSignal,
): Promise<string> {
  const headers = machineHeaders
  const request = { url: instanceUrl, headers, proxy: 'none', timeoutMs, signal } as const
  const { status, body } = await http.request(request)
  if (status !== 200) throw new Error(`unexpected status code ${status}`)
  const compute: unknown = Reflect.get(parseObject(body), 'compute')
  const subscriptionId = stringIn(compute, 'subscriptionId')
  if (subscriptionId === '') throw new Error('response missing instance subscription id')
  return subscriptionId
}

async function tokenOfApplication(
  { http, tenantId }: AzureCredentialOptions,
  signal: AbortSignal,
  proof: Readonly<Record<string, string>>,
): Promise<AzureToken> {
  const tenant = encodeURIComponent(tenantId)
  const form = { grant_type: 'client_credentials', scope: `${resource}.default`, ...proof }
  const answer = await http.request({
    url: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
    timeoutMs,
    signal,
  })
  return tokenIn(answer)
}

async function tokenOfMachine(
  { http }: AzureCredentialOptions,
  signal: AbortSignal,
  clientId: string,
): Promise<AzureToken> {
  const query = new URLSearchParams({ 'api-version': '2018-02-01', resource })
  if (clientId !== '') query.set('client_id', clientId)
  const url = `${tokenOfMachineUrl}?${query}`
  return tokenIn(
    await http.request({ url, headers: machineHeaders, proxy: 'none', timeoutMs, signal }),
  )
}

/** Only a token is sent on: a path that leads to another file gives nothing of that away. */
async function readToken(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const why = osErrorText('open', path, cause)
    throw new Error(`unable to read token file ${quoteGo(path)}: ${why}`, { cause })
  }
  const token = text.trim()
  try {
    JsonWebToken.parse(Buffer.from(token), tokenAlgorithms)
    return token
  } catch (cause) {
    const why = messageOf(cause)
    throw new Error(`unable to parse token file ${quoteGo(path)}: ${why}`, { cause })
  }
}

function tokenIn({ status, statusLine, body }: HttpAnswer): AzureToken {
  if (status !== 200) throw new Error(`no access token: ${statusLine}`)
  const answer = parseObject(body)
  const value = stringIn(answer, 'access_token')
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error('no access token in the answer')
  // The machine's metadata service writes this number in quotes.
  const lifeSeconds = Number(Reflect.get(answer, 'expires_in'))
  return { value, lifeSeconds: Number.isFinite(lifeSeconds) ? lifeSeconds : 0 }
}

function parseObject(body: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The parser's text quotes what it read: a secret perhaps.
  }
  throw new Error('the answer is not a JSON object')
}
