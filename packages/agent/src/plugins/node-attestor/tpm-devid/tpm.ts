import { type Clock, sleep } from '@mini-spire/runtime/clock'
import { tpmAlgorithm } from '@mini-spire/runtime/tpm/algorithms'
import { TpmReader } from '@mini-spire/runtime/tpm/tpm-reader'
import { sized, uint16, uint32 } from '@mini-spire/runtime/tpm/tpm-writer'
import type { TpmChannel } from './tpm-channel.ts'
import { TpmResponseError } from './tpm-response-error.ts'

const neverAborted = new AbortController().signal
const maxAttempts = 10
const pauseMs = 500

const tag = { noSessions: 0x8001, sessions: 0x8002, hashCheck: 0x8024 } as const
const passwordSession = 0x40000009
const nullHandle = 0x40000007
const policySession = 0x01
/** Every TPM reads at least this much of an NV index at once. */
const nvChunkBytes = 512

const command = {
  certify: 0x148,
  activateCredential: 0x147,
  create: 0x153,
  createPrimary: 0x131,
  flushContext: 0x165,
  hash: 0x17d,
  load: 0x157,
  nvRead: 0x14e,
  nvReadPublic: 0x169,
  policySecret: 0x151,
  sign: 0x15d,
  startAuthSession: 0x176,
} as const

/** The hierarchies whose keys are used here. */
export const hierarchy = { owner: 0x40000001, endorsement: 0x4000000b } as const

/** A session that satisfies an authorization. */
interface Authorization {
  readonly session: number
  readonly password: Uint8Array
}

interface Request {
  readonly code: number
  readonly handles?: readonly number[]
  readonly authorizations?: readonly Authorization[]
  readonly parameters?: readonly Uint8Array[]
  /** Whether the response begins with a handle. */
  readonly returnsHandle?: boolean
}

interface Response {
  /** 0: none was asked for. */
  readonly handle: number
  readonly parameters: TpmReader
}

/** An object as it lies outside of the TPM. */
export interface KeyBlobs {
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array
  /** Content of TPM2B_PRIVATE: only its TPM can read it. */
  readonly privateArea: Uint8Array
}

/** A key in the TPM, and what it takes to use it. */
export interface LoadedKey {
  readonly handle: number
  readonly password: Uint8Array
}

/** The commands of TPM 2.0 Part 3 that attestation takes. Passwords go in the clear: the way to the TPM is trusted. */
export class Tpm {
  readonly #channel: TpmChannel
  readonly #clock: Clock
  readonly #signal: AbortSignal

  constructor(
    channel: TpmChannel,
    options: { readonly clock: Clock; readonly signal: AbortSignal },
  ) {
    this.#channel = channel
    this.#clock = options.clock
    this.#signal = options.signal
  }

  /** Makes the primary key of a template; the same template makes the same key, whatever the password. */
  async createPrimary(
    parent: number,
    passwords: { readonly hierarchy: Uint8Array; readonly key: Uint8Array },
    template: Uint8Array,
  ): Promise<LoadedKey & { readonly publicArea: Uint8Array }> {
    const { handle, parameters } = await this.#run({
      code: command.createPrimary,
      handles: [parent],
      authorizations: [withPassword(passwords.hierarchy)],
      parameters: creation(passwords.key, template),
      returnsHandle: true,
    })
    return { handle, password: passwords.key, publicArea: parameters.sized() }
  }

  /** Makes a key below another. It is not loaded. */
  async create(parent: LoadedKey, password: Uint8Array, template: Uint8Array): Promise<KeyBlobs> {
    const { parameters } = await this.#run({
      code: command.create,
      handles: [parent.handle],
      authorizations: [withPassword(parent.password)],
      parameters: creation(password, template),
    })
    return { privateArea: parameters.sized(), publicArea: parameters.sized() }
  }

  async load(parent: LoadedKey, blobs: KeyBlobs, password: Uint8Array): Promise<LoadedKey> {
    const { handle } = await this.#run({
      code: command.load,
      handles: [parent.handle],
      authorizations: [withPassword(parent.password)],
      parameters: [sized(blobs.privateArea), sized(blobs.publicArea)],
      returnsHandle: true,
    })
    return { handle, password }
  }

  /** Has the TPM say, signed by one key, that it holds another: TPMS_ATTEST and TPMT_SIGNATURE. */
  async certify(
    object: LoadedKey,
    signer: LoadedKey,
  ): Promise<{ readonly attested: Uint8Array; readonly signature: Uint8Array }> {
    const { parameters } = await this.#run({
      code: command.certify,
      handles: [object.handle, signer.handle],
      authorizations: [withPassword(object.password), withPassword(signer.password)],
      parameters: [sized(Buffer.alloc(0)), uint16(tpmAlgorithm.null)],
    })
    const attested = parameters.sized()
    return { attested, signature: parameters.raw(parameters.remaining) }
  }

  /** Signs data, which the TPM hashes, by the scheme of the key: TPMT_SIGNATURE. */
  async sign(key: LoadedKey, data: Uint8Array, hash: number): Promise<Uint8Array> {
    const hashed = await this.#run({
      code: command.hash,
      parameters: [sized(data), uint16(hash), uint32(hierarchy.owner)],
    })
    const digest = hashed.parameters.sized()
    const ticket = hashed.parameters.raw(hashed.parameters.remaining)
    const { parameters } = await this.#run({
      code: command.sign,
      handles: [key.handle],
      authorizations: [withPassword(key.password)],
      parameters: [sized(digest), uint16(tpmAlgorithm.null), ticket],
    })
    return parameters.raw(parameters.remaining)
  }

  /** Reads an NV index that anybody may read. */
  async readNv(index: number): Promise<Buffer> {
    const { parameters } = await this.#run({ code: command.nvReadPublic, handles: [index] })
    const nvPublic = new TpmReader(parameters.sized())
    nvPublic.raw(4 + 2 + 4)
    nvPublic.sized()
    const size = nvPublic.uint16()
    const chunks: Buffer[] = []
    for (let offset = 0; offset < size; offset += nvChunkBytes) {
      const length = Math.min(nvChunkBytes, size - offset)
      const read = await this.#run({
        code: command.nvRead,
        handles: [index, index],
        authorizations: [withPassword(Buffer.alloc(0))],
        parameters: [uint16(length), uint16(offset)],
      })
      chunks.push(read.parameters.sized())
    }
    return Buffer.concat(chunks)
  }

  /**
   * Has the endorsement key open a credential that was made for it and for the object.
   *
   * The endorsement key is used by whoever knows the password of its hierarchy: that is its policy.
   */
  async activateCredential(options: {
    readonly object: LoadedKey
    readonly endorsementKey: LoadedKey
    readonly hierarchyPassword: Uint8Array
    readonly credential: Uint8Array
    readonly secret: Uint8Array
    readonly nonce: Uint8Array
  }): Promise<Uint8Array> {
    const { object, endorsementKey, credential, secret } = options
    const session = await this.#startPolicySession(options.nonce)
    try {
      await this.#policySecret(session, options.hierarchyPassword)
      const { parameters } = await this.#run({
        code: command.activateCredential,
        handles: [object.handle, endorsementKey.handle],
        authorizations: [withPassword(object.password), { session, password: Buffer.alloc(0) }],
        parameters: [sized(credential), sized(secret)],
      })
      return parameters.sized()
    } catch (error) {
      // A session ends with the command that it authorized; only a failed one is left.
      await this.flush(session).catch(() => undefined)
      throw error
    }
  }

  /** Unloads a key or ends a session, also when what it was for has been given up. */
  async flush(handle: number): Promise<void> {
    await this.#run({ code: command.flushContext, handles: [handle] }, neverAborted)
  }

  async #startPolicySession(nonce: Uint8Array): Promise<number> {
    const { handle } = await this.#run({
      code: command.startAuthSession,
      handles: [nullHandle, nullHandle],
      parameters: [
        sized(nonce),
        sized(Buffer.alloc(0)),
        Buffer.of(policySession),
        uint16(tpmAlgorithm.null),
        uint16(tpmAlgorithm.sha256),
      ],
      returnsHandle: true,
    })
    return handle
  }

  async #policySecret(session: number, password: Uint8Array): Promise<void> {
    const empty = sized(Buffer.alloc(0))
    await this.#run({
      code: command.policySecret,
      handles: [hierarchy.endorsement, session],
      authorizations: [withPassword(password)],
      parameters: [empty, empty, empty, uint32(0)],
    })
  }

  async #run(request: Request, signal: AbortSignal = this.#signal): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return readResponse(await this.#channel.exchange(encode(request), signal), request)
      } catch (error) {
        const isBusy = error instanceof TpmResponseError && error.isBusy
        if (!isBusy || attempt === maxAttempts) throw error
        await sleep(this.#clock, pauseMs, signal)
      }
    }
  }
}

function withPassword(password: Uint8Array): Authorization {
  return { session: passwordSession, password }
}

/** TPM2B_SENSITIVE_CREATE, TPM2B_PUBLIC, no outside info, no PCRs. */
function creation(password: Uint8Array, template: Uint8Array): readonly Uint8Array[] {
  const sensitive = Buffer.concat([sized(password), sized(Buffer.alloc(0))])
  return [sized(sensitive), sized(template), sized(Buffer.alloc(0)), uint32(0)]
}

function encode(request: Request): Buffer {
  const { code, handles = [], authorizations = [], parameters = [] } = request
  const area = Buffer.concat(
    authorizations.map(({ session, password }) =>
      // Session, no nonce, no attributes, password.
      Buffer.concat([uint32(session), uint16(0), Buffer.of(0), sized(password)]),
    ),
  )
  const isAuthorized = authorizations.length > 0
  const body = Buffer.concat([
    ...handles.map(uint32),
    ...(isAuthorized ? [uint32(area.length), area] : []),
    ...parameters,
  ])
  const header = uint16(isAuthorized ? tag.sessions : tag.noSessions)
  return Buffer.concat([header, uint32(header.length + 8 + body.length), uint32(code), body])
}

function readResponse(bytes: Buffer, { returnsHandle = false }: Request): Response {
  const reader = new TpmReader(bytes)
  const isAuthorized = reader.uint16() === tag.sessions
  reader.uint32()
  const code = reader.uint32()
  if (code !== 0) throw new TpmResponseError(code)
  const handle = returnsHandle ? reader.uint32() : 0
  const size = isAuthorized ? reader.uint32() : reader.remaining
  return { handle, parameters: new TpmReader(reader.raw(size)) }
}
