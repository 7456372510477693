import { randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { type Clock, systemClock } from '../../clock.ts'
import { FakeHost } from './fake-host.ts'
import type { TestEvidence } from './test-aws.ts'

const lifeHeader = 'x-aws-ec2-metadata-token-ttl-seconds'
const maxTokenLifeSeconds = 21_600

/** Options of {@link FakeInstanceMetadata}. */
export interface FakeInstanceMetadataOptions {
  /** By path below `/latest/dynamic/instance-identity/`. What is missing is not there; what is wrong is served as it is. */
  readonly evidence: Partial<TestEvidence>
  /**
   * `required` and `optional` as instances are configured; `unknown` is a service of before 2019; `lost` answers no request
   * for a token, as if whoever asks were a network hop too far away.
   *
   * @default required
   */
  readonly tokens?: 'required' | 'optional' | 'unknown' | 'lost'
  /** The part of the evidence that is never sent. */
  readonly slow?: keyof TestEvidence
  /** @default the machine's */
  readonly clock?: Clock
}

interface Decision {
  readonly status: number
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * The metadata service of EC2, as far as an agent asks it: session tokens with their life, and the instance identity
 * document with its signatures. It signs nothing: whoever starts it says what it serves, right or wrong.
 *
 * @example
 * const aws = new TestAws()
 * await using metadata = await FakeInstanceMetadata.start({ evidence: aws.evidence() })
 * metadata.evidence = aws.evidence({}, 'other-key')
 */
export class FakeInstanceMetadata implements AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string
  /** Method and path of every request, in order. */
  readonly asked: string[] = []
  readonly #options: FakeInstanceMetadataOptions
  readonly #clock: Clock
  /** Where it listens; it can be told to misbehave. */
  readonly host: FakeHost
  /** What it serves from now on. */
  evidence: Partial<TestEvidence>
  readonly #tokens = new Map<string, number>()
  readonly #waiting = new Map<string, () => void>()

  private constructor(host: FakeHost, options: FakeInstanceMetadataOptions) {
    this.host = host
    this.#options = options
    this.evidence = options.evidence
    this.#clock = options.clock ?? systemClock
    this.endpoint = `http://127.0.0.1:${host.port}`
  }

  /** Starts it on a free port of the loopback address. */
  static async start(options: FakeInstanceMetadataOptions): Promise<FakeInstanceMetadata> {
    let answer: RequestListener = () => undefined
    const host = await FakeHost.http((...all) => answer(...all))
    const made = new FakeInstanceMetadata(host, options)
    answer = (request, response) => made.#answer(request, response)
    return made
  }

  /** Resolves as soon as it has been asked this: method and path. */
  async untilAsked(what: string): Promise<void> {
    if (this.asked.includes(what)) return
    await new Promise<void>((resolve) => this.#waiting.set(what, resolve))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '/'
    const asked = `${request.method} ${path}`
    this.asked.push(asked)
    this.#waiting.get(asked)?.()
    const { tokens = 'required', slow } = this.#options
    if (path === '/latest/api/token' && tokens === 'lost') return
    if (slow !== undefined && path.endsWith(`/${slow}`)) return
    const { status, text = '', headers } = this.#decide(request, path)
    response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text)
  }

  #decide({ method, headers }: IncomingMessage, path: string): Decision {
    const { tokens = 'required' } = this.#options
    // The service refuses whatever came through a proxy.
    if (headers['x-forwarded-for'] !== undefined) return { status: 403 }
    if (path === '/latest/api/token') {
      if (tokens === 'unknown') return { status: 404 }
      if (method !== 'PUT') return { status: 405 }
      return this.#makeToken(Number(headers[lifeHeader]))
    }
    if (!this.#isAllowed(headers['x-aws-ec2-metadata-token'])) return { status: 401 }
    const [, name = ''] = /^\/latest\/dynamic\/instance-identity\/(\w+)$/.exec(path) ?? []
    const text = new Map(Object.entries(this.evidence)).get(name)
    return text === undefined ? { status: 404 } : { status: 200, text }
  }

  #makeToken(lifeSeconds: number): Decision {
    if (!(lifeSeconds >= 1 && lifeSeconds <= maxTokenLifeSeconds)) return { status: 400 }
    const text = randomBytes(40).toString('base64')
    this.#tokens.set(text, this.#clock.nowMs() + lifeSeconds * 1000)
    // AWS's own clients ask without a token when this is missing.
    const headers = { [lifeHeader]: String(lifeSeconds) }
    return { status: 200, text, headers }
  }

  #isAllowed(token: string | readonly string[] | undefined): boolean {
    const { tokens = 'required' } = this.#options
    if (tokens === 'unknown') return true
    if (token === undefined) return tokens === 'optional'
    const endsAt = typeof token === 'string' ? this.#tokens.get(token) : undefined
    return endsAt !== undefined && this.#clock.nowMs() < endsAt
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]()
  }
}
