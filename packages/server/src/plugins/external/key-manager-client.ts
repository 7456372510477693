import { createHash, createPublicKey } from 'node:crypto'
import type { ClientOf } from '@mini-spire/runtime/grpc/client'
import { p1363FromDer } from '@mini-spire/runtime/key-manager/ecdsa-signature'
import {
  type KeyManager,
  type KeyType,
  keyTypes,
  type SignatureHash,
  type SigningKey,
  type SignOptions,
} from '@mini-spire/runtime/key-manager/key-manager'
import { KeyManagerError } from '@mini-spire/runtime/key-manager/key-manager-error'
import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import {
  HashAlgorithm,
  KeyManagerService,
  KeyType as KeyTypeProto,
  type PublicKey,
} from '@mini-spire/runtime/proto/spire/plugin/server/keymanager/v1/keymanager'
import { signerTypeOf } from '@mini-spire/runtime/x509/signer'
import { isSpiffeError } from '@mini-spire/sdk/errors'

/** The service that a plugin needs to have to be a key manager. */
export const keyManagerService = 'spire.plugin.server.keymanager.v1.KeyManager'

type KeyManagerClient = ClientOf<typeof KeyManagerService>

const callTimeoutMs = 30_000

const keyTypesToProto: Readonly<Record<KeyType, KeyTypeProto>> = {
  'ec-p256': KeyTypeProto.EC_P256,
  'ec-p384': KeyTypeProto.EC_P384,
  'rsa-2048': KeyTypeProto.RSA_2048,
  'rsa-4096': KeyTypeProto.RSA_4096,
}
const hashesToProto: Readonly<Record<SignatureHash, HashAlgorithm>> = {
  sha256: HashAlgorithm.SHA256,
  sha384: HashAlgorithm.SHA384,
  sha512: HashAlgorithm.SHA512,
}
/** Bytes of r and of s in a signature of that type. */
const coordinateBytes: Readonly<Partial<Record<KeyType, number>>> = { 'ec-p256': 32, 'ec-p384': 48 }

/** A key manager in another process: it gets digests, never what is signed, and keeps the private keys. */
export class ExternalKeyManager implements KeyManager {
  readonly #plugin: ExternalPlugin
  /** Which key an ID stands for, as far as this process has replaced any. */
  readonly #current = new Map<string, ExternalKey>()

  constructor(plugin: ExternalPlugin) {
    this.#plugin = plugin
  }

  async generateKey(id: string, type: KeyType): Promise<SigningKey> {
    if (id === '') throw new KeyManagerError('ERR_KEY_ID_MISSING', 'key id is required')
    const request = { keyId: id, keyType: keyTypesToProto[type] }
    const { publicKey } = await this.#plugin.call(() =>
      this.#client().generateKey(request, { timeoutMs: callTimeoutMs }),
    )
    const key = this.#keyFrom(id, publicKey)
    this.#current.set(id, key)
    return key
  }

  async getKey(id: string): Promise<SigningKey> {
    const key = await this.findKey(id)
    if (!key) throw new KeyManagerError('ERR_KEY_NOT_FOUND', `no such key "${id}"`)
    return key
  }

  async findKey(id: string): Promise<SigningKey | undefined> {
    try {
      const { publicKey } = await this.#plugin.call(() =>
        this.#client().getPublicKey({ keyId: id }, { timeoutMs: callTimeoutMs }),
      )
      return publicKey && this.#keyFrom(id, publicKey)
    } catch (error) {
      if (isSpiffeError(error) && error.kind === 'not-found') return undefined
      throw error
    }
  }

  async listKeys(): Promise<readonly SigningKey[]> {
    const { publicKeys } = await this.#plugin.call(() =>
      this.#client().getPublicKeys({}, { timeoutMs: callTimeoutMs }),
    )
    return publicKeys.map((key) => this.#keyFrom(key.id, key))
  }

  #client(): KeyManagerClient {
    return this.#plugin.client(KeyManagerService)
  }

  #keyFrom(id: string, key: PublicKey | undefined): ExternalKey {
    const plugin = this.#plugin
    if (!key) throw plugin.badAnswer(`plugin response empty for key "${id}"`)
    if (key.id !== id) {
      const text = `plugin response has unexpected key id "${key.id}" for key "${id}"`
      throw plugin.badAnswer(text)
    }
    if (key.pkixData.length === 0) {
      throw plugin.badAnswer(`plugin response missing public key PKIX data for key "${id}"`)
    }
    const isCurrent = (candidate: ExternalKey): boolean => {
      const current = this.#current.get(id)
      return !current || Buffer.from(current.publicKey).equals(candidate.publicKey)
    }
    return new ExternalKey({ plugin, id, key, type: this.#typeOf(id, key), isCurrent })
  }

  #typeOf(id: string, { pkixData }: PublicKey): KeyType {
    const unusable = `unable to parse public key PKIX data for key "${id}"`
    let found: string | undefined
    try {
      found = signerTypeOf(
        createPublicKey({ key: Buffer.from(pkixData), format: 'der', type: 'spki' }),
      )
    } catch {
      throw this.#plugin.badAnswer(unusable)
    }
    const type = keyTypes.find((one) => one === found)
    if (!type) throw this.#plugin.badAnswer(`${unusable}: unsupported key type or size`)
    return type
  }
}

class ExternalKey implements SigningKey {
  readonly id: string
  readonly type: KeyType
  readonly publicKey: Uint8Array
  readonly #plugin: ExternalPlugin
  readonly #fingerprint: string
  readonly #isCurrent: (key: ExternalKey) => boolean

  constructor(options: {
    readonly plugin: ExternalPlugin
    readonly id: string
    readonly key: PublicKey
    readonly type: KeyType
    readonly isCurrent: (key: ExternalKey) => boolean
  }) {
    this.id = options.id
    this.type = options.type
    this.publicKey = options.key.pkixData
    this.#plugin = options.plugin
    this.#fingerprint = options.key.fingerprint
    this.#isCurrent = options.isCurrent
  }

  async sign(data: Uint8Array, { hash, encoding = 'der' }: SignOptions): Promise<Uint8Array> {
    if (!this.#isCurrent(this)) {
      throw new KeyManagerError('ERR_KEY_REPLACED', `key "${this.id}" has been replaced`)
    }
    const plugin = this.#plugin
    const signerOpts = { $case: 'hashAlgorithm', hashAlgorithm: hashesToProto[hash] } as const
    const digest = createHash(hash).update(data).digest()
    const { signature, keyFingerprint } = await plugin.call(() =>
      plugin
        .client(KeyManagerService)
        .signData({ keyId: this.id, data: digest, signerOpts }, { timeoutMs: callTimeoutMs }),
    )
    if (signature.length === 0) throw plugin.badAnswer('plugin returned empty signature data')
    if (keyFingerprint !== this.#fingerprint) {
      throw plugin.badAnswer(
        `fingerprint "${this.#fingerprint}" on key "${this.id}" does not match "${keyFingerprint}"`,
      )
    }
    const bytes = coordinateBytes[this.type]
    if (encoding === 'der' || bytes === undefined) return signature
    const converted = p1363FromDer(signature, bytes)
    if (!converted) throw plugin.badAnswer('plugin returned a malformed ECDSA signature')
    return converted
  }
}
