import type { HttpAnswer, HttpRequest } from '@mini-spire/runtime/http/http-client'

/** What a cloud says; the empty text where nothing is given. */
export interface CloudAnswer {
  /** @default 200 */
  readonly status?: number
  readonly json?: unknown
  readonly text?: string
  readonly body?: Uint8Array
  readonly expires?: string
}

/** The APIs of a cloud, in the process of the test: what they say, by the start of the URL. */
export class FakeCloud {
  readonly asked: HttpRequest[] = []
  readonly answers: Map<string, CloudAnswer | ((request: HttpRequest) => CloudAnswer)>

  constructor(
    answers: Readonly<Record<string, CloudAnswer | ((request: HttpRequest) => CloudAnswer)>>,
  ) {
    this.answers = new Map(Object.entries(answers))
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    this.asked.push(request)
    const [, found] = [...this.answers].find(([url]) => request.url.startsWith(url)) ?? []
    if (!found) throw new Error('nobody there')
    const answer = typeof found === 'function' ? found(request) : found
    const { status = 200, json, expires } = answer
    const text = answer.text ?? (json === undefined ? '' : JSON.stringify(json))
    return {
      status,
      statusLine: String(status),
      headers: expires === undefined ? {} : { expires },
      body: answer.body ?? Buffer.from(text),
    }
  }

  /** How often a URL that begins so was asked. */
  count(url: string): number {
    return this.asked.filter((one) => one.url.startsWith(url)).length
  }
}
