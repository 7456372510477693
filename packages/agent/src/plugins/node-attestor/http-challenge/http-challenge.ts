import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'

const name = 'http_challenge'
const timeoutMs = 10_000

/** Options of {@link HttpChallengeAttestor}: its `plugin_data`. */
export interface HttpChallengeOptions {
  /** How the server reaches this node. */
  readonly hostname: string
  readonly agentName: string
  /** Where to listen, on all addresses; 0: any free port. */
  readonly port: number
  /** The port that the server is told; 0: the one listened on. */
  readonly advertisedPort: number
}

/** Attests by answering a nonce over HTTP at this node's host name, for as long as the attestation takes. */
export class HttpChallengeAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: HttpChallengeOptions

  constructor(options: HttpChallengeOptions) {
    this.#options = options
  }

  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    const { hostname, agentName: agentname, port, advertisedPort } = this.#options
    const path = `/.well-known/spiffe/nodeattestor/http_challenge/${agentname}/challenge`
    let nonce: string | undefined
    const server = createServer({ requestTimeout: timeoutMs }, (request, response) => {
      const isChallenge = nonce !== undefined && request.url?.split('?', 1)[0] === path
      response.writeHead(isChallenge ? 200 : 404, { connection: 'close' })
      response.end(isChallenge ? `${nonce}\n` : '404 page not found\n')
    })
    server.timeout = timeoutMs
    const listening = await listen(server, port)
    const end = (): void => {
      server.close()
      server.closeAllConnections()
    }
    signal.addEventListener('abort', end, { once: true })
    const claim = { hostname, agentname, port: advertisedPort || listening }
    return {
      payload: Buffer.from(JSON.stringify(claim)),
      answer: async (challenge) => {
        nonce = readNonce(challenge)
        return Buffer.from('\n')
      },
      async end() {
        signal.removeEventListener('abort', end)
        end()
      },
    }
  }
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, resolve)
    })
    return (server.address() as AddressInfo).port
  } catch (cause) {
    const message = `could not listen on port ${port}: ${messageOf(cause)}`
    throw new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CREDENTIAL', message, { cause })
  }
}

function readNonce(challenge: Uint8Array): string {
  try {
    const { nonce } = JSON.parse(Buffer.from(challenge).toString('utf8')) as { nonce?: unknown }
    // What a server may have this node say to whoever asks is a nonce, not a page.
    if (typeof nonce === 'string' && /^[A-Za-z0-9_=-]{1,64}$/.test(nonce)) return nonce
    throw new Error('it holds no nonce')
  } catch (cause) {
    const message = `unable to unmarshal challenge: ${messageOf(cause)}`
    throw new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CHALLENGE', message, { cause })
  }
}
