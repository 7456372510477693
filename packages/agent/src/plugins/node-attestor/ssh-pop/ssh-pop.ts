import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { parseAuthorizedKey } from '@mini-spire/runtime/ssh/authorized-key'
import { SshCertificate } from '@mini-spire/runtime/ssh/ssh-certificate'
import { SshPrivateKey } from '@mini-spire/runtime/ssh/ssh-private-key'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor } from '../node-attestor.ts'
import { NodeAttestorError, type NodeAttestorErrorCode } from '../node-attestor-error.ts'

const name = 'sshpop'
const nonceBytes = 32

/** Options of {@link SshPopAttestor}: its `plugin_data`. */
export interface SshPopOptions {
  readonly hostKeyPath: string
  readonly hostCertificatePath: string
}

/** Attests by proving that this host holds the key of an OpenSSH host certificate. */
export class SshPopAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #certificate: SshCertificate
  readonly #key: SshPrivateKey

  private constructor(certificate: SshCertificate, key: SshPrivateKey) {
    this.#certificate = certificate
    this.#key = key
  }

  /**
   * Reads key and certificate.
   *
   * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`
   */
  static async create(options: SshPopOptions): Promise<SshPopAttestor> {
    const keyText = await read('host key', options.hostKeyPath)
    const certificateText = await read('host cert', options.hostCertificatePath)
    try {
      const key = SshPrivateKey.parse(keyText)
      const certificate = SshCertificate.parse(parseAuthorizedKey(certificateText))
      if (!key.belongsTo(certificate.publicKey.key)) {
        throw new Error('the certificate is for another key')
      }
      return new SshPopAttestor(certificate, key)
    } catch (cause) {
      const message = `failed to get cert and signer from pem: ${messageOf(cause)}`
      throw failed('ERR_NODE_ATTESTOR_CONFIG', message, cause)
    }
  }

  begin(): Promise<NodeAttestation> {
    const Certificate = this.#certificate.raw.toString('base64')
    return Promise.resolve({
      payload: Buffer.from(JSON.stringify({ Certificate })),
      answer: (challenge) => new Promise((resolve) => resolve(this.#answer(challenge))),
    })
  }

  #answer(challenge: Uint8Array): Uint8Array {
    const theirNonce = readNonce(challenge)
    const nonce = randomBytes(nonceBytes)
    const signed = createHash('sha256').update(theirNonce).update(nonce).digest()
    const { format, blob } = this.#key.sign(signed)
    const Signature = { Format: format, Blob: Buffer.from(blob).toString('base64'), Rest: null }
    return Buffer.from(JSON.stringify({ Nonce: nonce.toString('base64'), Signature }))
  }
}

function readNonce(challenge: Uint8Array): Buffer {
  let nonce: unknown
  try {
    const parsed: object = JSON.parse(Buffer.from(challenge).toString('utf8'))
    nonce = Object.entries(parsed).find(([key]) => key.toLowerCase() === 'nonce')?.[1]
  } catch (cause) {
    const message = `failed to unmarshal challenge request: ${messageOf(cause)}`
    throw failed('ERR_NODE_ATTESTOR_CHALLENGE', message, cause)
  }
  const bytes = Buffer.from(typeof nonce === 'string' ? nonce : '', 'base64')
  if (bytes.length === nonceBytes) return bytes
  const message = 'failed to combine nonces: invalid challenge nonce size'
  throw failed('ERR_NODE_ATTESTOR_CHALLENGE', message)
}

async function read(what: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = osErrorText('open', path, cause)
    throw failed('ERR_NODE_ATTESTOR_CONFIG', `failed to read ${what} file: ${why}`, cause)
  }
}

function failed(code: NodeAttestorErrorCode, message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError(name, code, message, { cause })
}
