import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { ConnectionLimits } from '../connection-limits.ts'
import { boundProbes, probeTimeouts } from '../probe-connections.ts'
import type { RuntimeProfiler } from './runtime-profiler.ts'

/** How long a CPU profile takes unless `seconds` says otherwise, and at most. */
const usualSeconds = 30
const mostSeconds = 300

const index = `/debug/pprof/

profile  CPU profile of the next 30 seconds, or of ?seconds=
heap     what is on the heap, by the stack that allocated it
`

/** What a client on this machine, or behind a forwarded port, calls the listener. */
const ownNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Serves profiles of this process to `go tool pprof`, below the path where SPIRE serves its own.
 *
 * On localhost only, and to nothing that a web page sends there, whether it says so or has a name of its own lead there.
 */
export class ProfilingListener implements AsyncDisposable {
  readonly #profiler: Pick<RuntimeProfiler, 'cpu' | 'heap'>
  readonly #server: Server
  readonly #connections: ConnectionLimits

  constructor(profiler: Pick<RuntimeProfiler, 'cpu' | 'heap'>) {
    this.#profiler = profiler
    this.#server = createServer(probeTimeouts, (request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
    this.#connections = boundProbes(this.#server)
  }

  /** Resolves to the port that was bound. @throws the system's error */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: 'localhost', port }, resolve)
    })
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve)
      this.#connections.destroyAll()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (isOfWebPage(request)) return answerText(response, 403, 'not for web pages')
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return answerText(response, 405, 'method not allowed')
    }
    switch (pathname) {
      case '/debug/pprof/':
        return answerText(response, 200, index)
      case '/debug/pprof/heap':
      case '/debug/pprof/allocs':
        return answerProfile(response, 'heap', await this.#profiler.heap())
      case '/debug/pprof/profile':
        return await this.#cpu(response, searchParams.get('seconds'))
      default:
        return answerText(response, 404, '404 page not found')
    }
  }

  async #cpu(response: ServerResponse, asked: string | null): Promise<void> {
    const seconds = asked === null || asked === '' ? usualSeconds : Number(asked)
    if (!(seconds > 0 && seconds <= mostSeconds)) {
      return answerText(response, 400, `seconds must be more than 0 and at most ${mostSeconds}`)
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const profile = await this.#profiler.cpu(seconds * 1000, gone.signal)
    if (profile) return answerProfile(response, 'profile', profile)
    answerText(response, 500, 'Could not enable CPU profiling: cpu profiling already in use')
  }
}

/** Whether a page of another origin asks: a browser says where a request comes from, and what name led here. */
function isOfWebPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'] ?? 'none'
  if (site !== 'none' && site !== 'same-origin') return true
  const name = headers.host?.replace(/:\d*$/, '')
  return name !== undefined && !ownNames.has(name.toLowerCase())
}

function answerProfile(response: ServerResponse, name: string, profile: Uint8Array): void {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${name}"`,
    'x-content-type-options': 'nosniff',
  })
  response.end(profile)
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
  })
  response.end(text.endsWith('\n') ? text : `${text}\n`)
}
