import type { HttpClient } from '../http/http-client.ts'
import { stringIn } from '../json-fields.ts'
import type { ClusterAccess } from './cluster-access.ts'
import { KubernetesError } from './kubernetes-error.ts'

/** Options of {@link KubernetesClient}. */
export interface KubernetesClientOptions {
  readonly http: HttpClient
  readonly access: ClusterAccess
}

/** One request to the API server. */
export interface KubernetesRequest {
  /** Such as `/api/v1/namespaces/default`; segments that come from others are to be escaped. */
  readonly path: string
  /** @default GET */
  readonly method?: 'GET' | 'POST' | 'PATCH'
  /** Sent as JSON. */
  readonly body?: unknown
  /** @default application/json */
  readonly contentType?: string
  /** In what form the answer is wanted. @default application/json */
  readonly accept?: string
  readonly signal?: AbortSignal
}

const timeoutMs = 10_000
const maxAnswerBytes = 16 * 1024 * 1024
const maxReasonLength = 512

/**
 * Asks a Kubernetes API server, in JSON.
 *
 * @example
 * const client = new KubernetesClient({ http, access: await inClusterAccess(process.env) })
 * const pod = await client.request({ path: '/api/v1/namespaces/default/pods/web' })
 */
export class KubernetesClient {
  readonly #options: KubernetesClientOptions

  constructor(options: KubernetesClientOptions) {
    this.#options = options
  }

  /**
   * The answer's JSON value, of whatever shape.
   *
   * @throws {KubernetesError} `ERR_KUBERNETES_REFUSED` with the server's reason; {@link HttpError} when there is no answer
   */
  async request(request: KubernetesRequest): Promise<unknown> {
    const { path, method = 'GET', body, signal } = request
    const { http, access } = this.#options
    const authorization = await access.authorization()
    const answer = await http.request({
      url: `${access.server}${path}`,
      method,
      headers: {
        accept: request.accept ?? 'application/json',
        ...(authorization !== undefined && { authorization }),
        ...(body !== undefined && { 'content-type': request.contentType ?? 'application/json' }),
      },
      timeoutMs,
      maxBytes: maxAnswerBytes,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      ...(access.roots && { roots: access.roots }),
      ...(access.skipsVerification && { verifyServer: acceptAnyServer }),
      ...(access.clientCertificate && { clientCertificate: access.clientCertificate }),
    })
    const value = parse(answer.body)
    if (answer.status >= 200 && answer.status < 300 && value !== undefined) return value
    const why = stringIn(value, 'message').slice(0, maxReasonLength) || answer.statusLine
    throw new KubernetesError('ERR_KUBERNETES_REFUSED', why, { status: answer.status })
  }
}

/** What `insecure-skip-tls-verify` asks for. */
function acceptAnyServer(): void {}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}
