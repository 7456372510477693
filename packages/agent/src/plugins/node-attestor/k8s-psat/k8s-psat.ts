import { readFile } from 'node:fs/promises'
import { osErrorText } from '@mini-spire/runtime/os-error'
import type { NodeAttestation, NodeAttestor } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { unexpectedChallenge } from '../unexpected-challenge.ts'

const name = 'k8s_psat'

/** Options of {@link K8sPsatAttestor}: its `plugin_data`. */
export interface K8sPsatOptions {
  /** The name under which the server knows this cluster. */
  readonly cluster: string
  /** Where the projected service account token is mounted. */
  readonly tokenPath: string
}

/** Attests by the service account token of this agent's pod, read anew each time. */
export class K8sPsatAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: K8sPsatOptions

  constructor(options: K8sPsatOptions) {
    this.#options = options
  }

  async begin(): Promise<NodeAttestation> {
    const { cluster, tokenPath } = this.#options
    const token = await readToken(tokenPath)
    return {
      payload: Buffer.from(JSON.stringify({ cluster, token })),
      answer: () => Promise.reject(unexpectedChallenge(name)),
    }
  }
}

async function readToken(path: string): Promise<string> {
  const failed = (why: string, cause?: unknown): NodeAttestorError => {
    const message = `unable to load token from ${path}: ${why}`
    return new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_TOKEN', message, { cause })
  }
  let token: string
  try {
    token = await readFile(path, 'utf8')
  } catch (cause) {
    throw failed(osErrorText('open', path, cause), cause)
  }
  if (token === '') throw failed(`"${path}" is empty`)
  return token
}
