import { createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { p1363FromDer } from './ecdsa-signature.ts'
import type { KeyType, SigningKey, SignOptions } from './key-manager.ts'
import { KeyManagerError } from './key-manager-error.ts'

const generate = promisify(generateKeyPair)
const signInPool = promisify(sign)

/** How many signatures of one key are on the thread pool at once: half of its threads, files and hashes need the others. */
const maxPoolSignatures = 2

/**
 * A signing key whose private half is in this process: what the memory and disk key managers hand out.
 *
 * It signs synchronously, RSA-4096 apart: two milliseconds, sixteen times in a row, would hold up everybody else.
 *
 * Once {@link LocalKey.retire} was called it refuses to sign: another key has taken its ID.
 */
export class LocalKey implements SigningKey {
  readonly id: string
  readonly type: KeyType
  readonly publicKey: Uint8Array
  readonly signSync?: (data: Uint8Array, options: SignOptions) => Uint8Array
  readonly #privateKey: KeyObject
  #isRetired = false
  #inPool = 0
  readonly #waiting: (() => void)[] = []

  constructor(id: string, type: KeyType, privateKey: KeyObject) {
    this.id = id
    this.type = type
    this.#privateKey = privateKey
    this.publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
    if (type !== 'rsa-4096')
      this.signSync = (data, options) =>
        this.#encoded(sign(options.hash, data, this.#usable()), options)
  }

  /** Signs on the thread pool: the event loop goes on meanwhile. */
  async sign(data: Uint8Array, options: SignOptions): Promise<Uint8Array> {
    if (this.#inPool >= maxPoolSignatures)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#inPool++
    try {
      return this.#encoded(await signInPool(options.hash, data, this.#usable()), options)
    } finally {
      // Whoever waits takes over the place.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#inPool--
    }
  }

  tlsKey(): KeyObject {
    return this.#usable()
  }

  /** PKCS#8, DER; for the key manager's own file only. */
  exportPkcs8(): Buffer {
    return this.#privateKey.export({ type: 'pkcs8', format: 'der' })
  }

  /** Another key has taken this one's ID: from now on this one cannot sign. */
  retire(): void {
    this.#isRetired = true
  }

  /** Here and not by an option of Node's: with any option Node 24 tries the key as all it may be, which costs more than the signature. */
  #encoded(signature: Buffer, { encoding }: SignOptions): Uint8Array {
    const bytes = numberBytes[this.type]
    if (encoding !== 'ieee-p1363' || bytes === undefined) return signature
    return p1363FromDer(signature, bytes) ?? malformed(this.id)
  }

  #usable(): KeyObject {
    if (this.#isRetired)
      throw new KeyManagerError('ERR_KEY_REPLACED', `key "${this.id}" has been replaced`)
    return this.#privateKey
  }
}

/** Length of each of the two numbers of an ECDSA signature. */
const numberBytes: Readonly<Partial<Record<KeyType, number>>> = { 'ec-p256': 32, 'ec-p384': 48 }

function malformed(id: string): never {
  throw new Error(`key "${id}" made a signature that is none`)
}

/** Makes a private key of a type, off the event loop: RSA takes a tenth of a second and more. */
export async function generatePrivateKey(type: KeyType): Promise<KeyObject> {
  switch (type) {
    case 'ec-p256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey
    case 'ec-p384':
      return (await generate('ec', { namedCurve: 'P-384' })).privateKey
    case 'rsa-2048':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey
    case 'rsa-4096':
      return (await generate('rsa', { modulusLength: 4096 })).privateKey
    default:
      return type satisfies never
  }
}
