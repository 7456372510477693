import { type HttpAnswer, type HttpClient, HttpError } from '@mini-spire/runtime/http/http-client'

const tokenLifeSeconds = '300'
/** A packet with a token dies after one hop on most instances: behind a bridge there is no answer, and no refusal. */
const tokenTimeoutMs = 2_000
const timeoutMs = 5_000
const maxBytes = 16 * 1024
/** How a metadata service answers that knows no tokens. */
const withoutTokens: readonly number[] = [403, 404, 405]

/** Where metadata is asked for. */
export interface InstanceMetadataOptions {
  readonly http: Pick<HttpClient, 'request'>
  /** `http://169.254.169.254` */
  readonly endpoint: string
  readonly signal: AbortSignal
}

/**
 * Reads paths below `/latest/dynamic/` of the metadata service of EC2, with a session token (IMDSv2). Where no token is to
 * be had, it asks without one, as SPIRE's agent does; a service that insists on tokens refuses that.
 *
 * @throws {Error} when one of them cannot be read; nothing of an answer is repeated
 */
export async function fetchDynamicData(
  options: InstanceMetadataOptions,
  paths: readonly string[],
): Promise<readonly string[]> {
  const token = await fetchToken(options)
  const headers = token === '' ? {} : { 'x-aws-ec2-metadata-token': token }
  const found: string[] = []
  for (const path of paths) {
    const { status, body } = await ask(options, `/latest/dynamic/${path}`, { headers, timeoutMs })
    if (status === 401 && token === '') {
      throw new Error(`no session token came back, and ${path} is not to be had without one`)
    }
    if (status !== 200) throw new Error(`unexpected status code ${status} for ${path}`)
    if (body.length === 0) throw new Error(`the answer for ${path} is empty`)
    found.push(Buffer.from(body).toString('utf8'))
  }
  return found
}

/** Empty: there is none. */
async function fetchToken(options: InstanceMetadataOptions): Promise<string> {
  let answer: HttpAnswer
  try {
    answer = await ask(options, '/latest/api/token', {
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': tokenLifeSeconds },
      timeoutMs: tokenTimeoutMs,
    })
  } catch (error) {
    if (error instanceof HttpError && error.code === 'ERR_HTTP_TIMEOUT') return ''
    throw error
  }
  if (withoutTokens.includes(answer.status)) return ''
  if (answer.status !== 200) {
    throw new Error(`unexpected status code ${answer.status} for a session token`)
  }
  const token = Buffer.from(answer.body).toString('latin1')
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('the session token is malformed')
  return token
}

async function ask(
  { http, endpoint, signal }: InstanceMetadataOptions,
  path: string,
  request: Pick<Parameters<HttpClient['request']>[0], 'method' | 'headers' | 'timeoutMs'>,
): Promise<HttpAnswer> {
  const url = `${endpoint.replace(/\/+$/, '')}${path}`
  // What proves who this node is goes through nobody's hands.
  return await http.request({ url, proxy: 'none', maxBytes, signal, ...request })
}
