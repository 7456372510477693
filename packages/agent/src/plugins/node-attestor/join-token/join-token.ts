import type { NodeAttestation, NodeAttestor } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { unexpectedChallenge } from '../unexpected-challenge.ts'

const name = 'join_token'

/** Options of {@link JoinTokenAttestor}. */
export interface JoinTokenOptions {
  /** From the configuration or its file; empty when none was given. Never logged. */
  readonly token: string
}

/** Attests with a one-time token that the server made. There is no challenge. */
export class JoinTokenAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #token: string

  constructor(options: JoinTokenOptions) {
    this.#token = options.token
  }

  begin(): Promise<NodeAttestation> {
    if (this.#token === '') {
      return Promise.reject(
        new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CONFIG', 'join token was not provided'),
      )
    }
    return Promise.resolve({
      payload: Buffer.from(this.#token),
      answer: () => Promise.reject(unexpectedChallenge(name)),
    })
  }
}
