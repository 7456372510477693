import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import type { NodeAttestation, NodeAttestor, NodeAttestorCall } from '../node-attestor.ts'
import { NodeAttestorError, type NodeAttestorErrorCode } from '../node-attestor-error.ts'
import { type DevId, type DevIdPaths, readDevId } from './devid-files.ts'
import { DevIdSession, type TpmPasswords } from './devid-session.ts'
import { findTpm } from './find-tpm.ts'
import { Tpm } from './tpm.ts'
import { openTpmChannel, type TpmChannel } from './tpm-channel.ts'

const name = 'tpm_devid'
const maxChallengeBytes = 64 * 1024
const nonceBytes = 32

/** Options of {@link TpmDevIdAttestor}: its `plugin_data`. */
export interface TpmDevIdOptions {
  readonly files: DevIdPaths
  readonly passwords: TpmPasswords
  /** Empty: the one TPM of this machine. */
  readonly devicePath: string
  readonly clock: Clock
  /** Where devices are looked for. @default '/dev' */
  readonly deviceFolder?: string
}

/** Attests by the device identity in this machine's TPM: see the server's half for what it proves. */
export class TpmDevIdAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: TpmDevIdOptions
  readonly #devicePath: string
  readonly #devId: DevId

  private constructor(options: TpmDevIdOptions, devicePath: string, devId: DevId) {
    this.#options = options
    this.#devicePath = devicePath
    this.#devId = devId
  }

  /**
   * Makes the attestor; there must be a TPM, and the files of the DevID must be readable.
   *
   * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CREDENTIAL`
   */
  static async create(options: TpmDevIdOptions): Promise<TpmDevIdAttestor> {
    const { deviceFolder = '/dev', files } = options
    const devicePath =
      options.devicePath ||
      (await wrapping(credential, 'tpm autodetection failed', () => findTpm(deviceFolder)))
    const devId = await wrapping(credential, 'unable to load DevID files', () => readDevId(files))
    return new TpmDevIdAttestor(options, devicePath, devId)
  }

  async begin({ signal }: NodeAttestorCall): Promise<NodeAttestation> {
    const channel = await wrapping(credential, 'unable to start a new TPM session', () =>
      this.#open(),
    )
    let session: DevIdSession | undefined
    const end = async (): Promise<void> => {
      await session?.end()
      session = undefined
      await channel.close().catch(() => undefined)
    }
    try {
      const tpm = new Tpm(channel, { clock: this.#options.clock, signal })
      const { passwords } = this.#options
      const started = await wrapping(credential, 'unable to start a new TPM session', () =>
        DevIdSession.start(tpm, { devId: this.#devId.key, passwords }),
      )
      session = started
      const payload = await this.#payload(started)
      return { payload, answer: (challenge) => answer(started, challenge), end }
    } catch (error) {
      await end()
      throw error
    }
  }

  async #open(): Promise<TpmChannel> {
    const { clock } = this.#options
    try {
      return await openTpmChannel({ path: this.#devicePath, clock })
    } catch (cause) {
      const what = `cannot open TPM at ${quoteGo(this.#devicePath)}`
      throw new Error(`${what}: ${messageOf(cause)}`, { cause })
    }
  }

  async #payload(session: DevIdSession): Promise<Uint8Array> {
    const certificate = await wrapping(credential, 'unable to get endorsement certificate', () =>
      session.endorsementCertificate(),
    )
    const certified = await wrapping(credential, 'unable to certify DevID key', () =>
      session.certifyDevId(),
    )
    return encode({
      DevIDCert: this.#devId.chain.map(base64),
      DevIDPub: base64(this.#devId.key.publicArea),
      EKCert: base64(certificate),
      EKPub: base64(session.shown.endorsement),
      AKPub: base64(session.shown.attestation),
      CertifiedDevID: base64(certified.attested),
      CertificationSignature: base64(certified.signature),
    })
  }
}

interface Challenges {
  readonly nonce: Uint8Array
  readonly credential: Uint8Array
  readonly secret: Uint8Array
}

async function answer(session: DevIdSession, challenge: Uint8Array): Promise<Uint8Array> {
  const { nonce, credential: credentialBlob, secret } = readChallenges(challenge)
  const signature = await wrapping(
    refusedChallenge,
    'unable to solve proof of possession challenge',
    () => session.signByDevId(nonce),
  )
  const activated = await wrapping(
    refusedChallenge,
    'unable to solve proof of residency challenge',
    () => session.activate(credentialBlob, secret),
  )
  return encode({ DevID: base64(signature), CredActivation: base64(activated) })
}

function readChallenges(bytes: Uint8Array): Challenges {
  const what = 'unable to unmarshall challenges'
  if (bytes.length > maxChallengeBytes) throw refusedChallenge(`${what}: too long`)
  let fields: unknown
  try {
    fields = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw refusedChallenge(`${what}: invalid JSON`, cause)
  }
  const nonce = Buffer.from(stringIn(fields, 'DevID'), 'base64')
  // The DevID key signs a nonce, and nothing that could be another message.
  if (nonce.length !== nonceBytes) throw refusedChallenge(`${what}: invalid nonce size`)
  const activation = objectIn(fields, 'CredActivation')
  const blob = Buffer.from(stringIn(activation, 'Credential'), 'base64')
  const secret = Buffer.from(stringIn(activation, 'Secret'), 'base64')
  if (blob.length === 0 || secret.length === 0) {
    throw refusedChallenge('received empty credential activation challenge from server')
  }
  return { nonce, credential: blob, secret }
}

function encode(fields: Readonly<Record<string, string | readonly string[]>>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(fields))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

type Wrap = (message: string, cause?: unknown) => NodeAttestorError

async function wrapping<T>(wrap: Wrap, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw wrap(`${what}: ${messageOf(cause)}`, cause)
  }
}

function credential(message: string, cause?: unknown): NodeAttestorError {
  return failure('ERR_NODE_ATTESTOR_CREDENTIAL', message, cause)
}

function refusedChallenge(message: string, cause?: unknown): NodeAttestorError {
  return failure('ERR_NODE_ATTESTOR_CHALLENGE', message, cause)
}

function failure(code: NodeAttestorErrorCode, message: string, cause: unknown): NodeAttestorError {
  return new NodeAttestorError(name, code, message, { cause })
}
