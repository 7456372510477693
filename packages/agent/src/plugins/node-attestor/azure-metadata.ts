import type { HttpClient } from '@mini-spire/runtime/http/http-client'

const endpoint = 'http://169.254.169.254/metadata'
const maxAnswerBytes = 64 * 1024
const maxShownCharacters = 1024

/** What is asked of the metadata service. */
export interface AzureMetadataRequest {
  /** Below `/metadata`, from the slash on. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** @default that of the HTTP client */
  readonly timeoutMs?: number
  readonly signal: AbortSignal
}

/**
 * Asks the metadata service of the machine that this agent runs on.
 *
 * @throws {Error} as SPIRE words it, without what a good answer holds
 */
export async function askAzureMetadata(
  http: Pick<HttpClient, 'request'>,
  { path, query, timeoutMs, signal }: AzureMetadataRequest,
): Promise<unknown> {
  const { status, body } = await http.request({
    url: `${endpoint}${path}?${new URLSearchParams(query)}`,
    headers: { metadata: 'true' },
    // What proves who this node is goes through nobody's hands.
    proxy: 'none',
    maxBytes: maxAnswerBytes,
    ...(timeoutMs !== undefined && { timeoutMs }),
    signal,
  })
  const text = Buffer.from(body).toString('utf8')
  if (status !== 200) {
    throw new Error(`unexpected status code ${status}: ${text.slice(0, maxShownCharacters)}`)
  }
  try {
    return JSON.parse(text)
  } catch {
    // The parser's text quotes what it read: a token perhaps.
    throw new Error('unable to decode response: not JSON')
  }
}
