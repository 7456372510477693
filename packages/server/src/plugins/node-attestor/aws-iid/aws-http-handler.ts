import type { HttpClient, HttpRequest } from '@mini-spire/runtime/http/http-client'

const timeoutMs = 20_000
const maxBytes = 4 * 1024 * 1024
const methods: readonly NonNullable<HttpRequest['method']>[] = ['GET', 'POST', 'PUT', 'DELETE']

/** A request as AWS's SDK hands it to what sends it. */
export interface AwsRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** An answer as AWS's SDK takes it. */
export interface AwsResponse {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: Uint8Array
}

/** Sends the requests of AWS's SDK the way every other request leaves this process: its proxies, its roots, its bounds. */
export class AwsHttpHandler {
  readonly #http: Pick<HttpClient, 'request'>

  constructor(http: Pick<HttpClient, 'request'>) {
    this.#http = http
  }

  async handle(
    request: AwsRequest,
    { abortSignal }: { readonly abortSignal?: unknown } = {},
  ): Promise<{ readonly response: AwsResponse }> {
    const { body } = request
    const method = methods.find((one) => one === request.method)
    if (!method) throw new Error(`unexpected method ${request.method}`)
    const isSendable = typeof body === 'string' || body instanceof Uint8Array
    if (!isSendable && body !== undefined) throw new Error('unexpected body')
    const answer = await this.#http.request({
      url: urlOf(request),
      method,
      headers: request.headers,
      ...(isSendable && { body }),
      ...(abortSignal instanceof AbortSignal && { signal: abortSignal }),
      timeoutMs,
      maxBytes,
    })
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(answer.headers)) headers[name] = String(value)
    return { response: { statusCode: answer.status, headers, body: answer.body } }
  }

  /** Part of what the SDK asks of a handler; there is nothing to set. */
  updateHttpClientConfig(): void {}

  /** Part of what the SDK asks of a handler. */
  httpHandlerConfigs(): Record<string, never> {
    return {}
  }
}

function urlOf({ protocol, hostname, port, path, query = {} }: AwsRequest): string {
  const pairs = Object.entries(query).flatMap(([key, value]) => {
    if (value === null) return [escaped(key)]
    const values = typeof value === 'string' ? [value] : value
    return values.map((one) => `${escaped(key)}=${escaped(one)}`)
  })
  const search = pairs.length === 0 ? '' : `?${pairs.join('&')}`
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`
}

/** As the request was signed: by RFC 3986, which reserves more than JavaScript does. */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
