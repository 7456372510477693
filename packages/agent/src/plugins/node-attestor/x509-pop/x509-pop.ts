import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import { answerChallenge } from './answer.ts'

const name = 'x509pop'
const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** A certificate with its key. */
export interface NodeCredential {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly privateKey: KeyObject
}

/** Where the certificate comes from: files (PEM), or whoever can hand over an X509-SVID (a Workload API). */
export type X509PopSource =
  | {
      readonly kind: 'files'
      readonly privateKeyPath: string
      readonly certificatePath: string
      /** Empty: none. */
      readonly intermediatesPath: string
    }
  | { readonly kind: 'svid'; readonly fetch: (signal: AbortSignal) => Promise<NodeCredential> }

/** Attests by proving that the node holds the key of a certificate. Files are read anew at each attestation. */
export class X509PopAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #source: X509PopSource

  private constructor(source: X509PopSource) {
    this.#source = source
  }

  /**
   * Makes the attestor; files must be readable and belong together already.
   *
   * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`
   */
  static async create(source: X509PopSource): Promise<X509PopAttestor> {
    if (source.kind === 'files') await loadFiles(source)
    return new X509PopAttestor(source)
  }

  async begin(call: NodeAttestorCall): Promise<NodeAttestation> {
    const { chain, privateKey } =
      this.#source.kind === 'files'
        ? await loadFiles(this.#source)
        : await fetchSvid(this.#source.fetch, call.signal)
    const certificates = chain.map((der) => Buffer.from(der).toString('base64'))
    return {
      payload: Buffer.from(JSON.stringify({ certificates })),
      answer: (challenge) =>
        new Promise((resolve) => resolve(answerChallenge(privateKey, challenge))),
    }
  }
}

async function loadFiles(
  source: Extract<X509PopSource, { kind: 'files' }>,
): Promise<NodeCredential> {
  const { chain, privateKey } = await loadKeyPair(source).catch((error: unknown) => {
    throw unusable(`unable to load keypair: ${messageOf(error)}`, error)
  })
  if (source.intermediatesPath.trim() === '') return { chain, privateKey }
  const intermediates = await loadCertificates(source.intermediatesPath).catch((error: unknown) => {
    throw unusable(`unable to load intermediate certificates: ${messageOf(error)}`, error)
  })
  return { chain: [...chain, ...intermediates.map(({ raw }) => raw)], privateKey }
}

async function loadKeyPair(
  source: Extract<X509PopSource, { kind: 'files' }>,
): Promise<NodeCredential> {
  const certificates = await loadCertificates(source.certificatePath)
  const privateKey = createPrivateKey(await readText(source.privateKeyPath))
  if (!certificates[0]?.checkPrivateKey(privateKey))
    throw new Error('tls: private key does not match public key')
  return { chain: certificates.map(({ raw }) => raw), privateKey }
}

async function loadCertificates(path: string): Promise<readonly X509Certificate[]> {
  const blocks = (await readText(path)).match(certificateBlock) ?? []
  if (blocks.length === 0) throw new Error(`no certificate found in ${path}`)
  return blocks.map((block) => new X509Certificate(block))
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    throw new Error(osErrorText('open', path, error))
  }
}

async function fetchSvid(
  fetch: (signal: AbortSignal) => Promise<NodeCredential>,
  signal: AbortSignal,
): Promise<NodeCredential> {
  try {
    return await fetch(signal)
  } catch (error) {
    throw credential(`unable to fetch SVID from workload API: ${messageOf(error)}`, error)
  }
}

/** Files are configuration, whenever they are read. */
function unusable(message: string, cause: unknown): NodeAttestorError {
  return new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CONFIG', message, { cause })
}

function credential(message: string, cause: unknown): NodeAttestorError {
  return new NodeAttestorError(name, 'ERR_NODE_ATTESTOR_CREDENTIAL', message, { cause })
}
