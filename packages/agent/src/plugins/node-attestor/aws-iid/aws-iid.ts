import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { unexpectedChallenge } from '../unexpected-challenge.ts'
import { fetchDynamicData } from './instance-metadata.ts'

const name = 'aws_iid'
/** Both signatures: a server that is older than the second one reads the first. */
const paths = ['document', 'signature', 'rsa2048'].map((last) => `instance-identity/${last}`)

/** Options of {@link AwsIidAttestor}: its `plugin_data`. */
export interface AwsIidOptions {
  readonly http: Pick<HttpClient, 'request'>
  /** The metadata service, `http://169.254.169.254`. */
  readonly endpoint: string
}

/** Attests by the instance identity document that the metadata service of EC2 gives this instance, and its signatures. */
export class AwsIidAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: AwsIidOptions

  constructor(options: AwsIidOptions) {
    this.#options = options
  }

  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    const [document, signature, rsa2048] = await this.#fetch(signal)
    return {
      payload: Buffer.from(JSON.stringify({ document, signature, rsa2048 })),
      answer: () => Promise.reject(unexpectedChallenge(name)),
    }
  }

  async #fetch(signal: AbortSignal): Promise<readonly string[]> {
    try {
      return await fetchDynamicData({ ...this.#options, signal }, paths)
    } catch (cause) {
      const message = `unable to fetch the instance identity document: ${messageOf(cause)}`
      throw new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CREDENTIAL', message, { cause })
    }
  }
}
