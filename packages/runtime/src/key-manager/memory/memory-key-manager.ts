import type { KeyManager, KeyType, SigningKey } from '../key-manager.ts'
import { KeyManagerError } from '../key-manager-error.ts'
import { generatePrivateKey, LocalKey } from '../local-key.ts'

/** Keys that live as long as the process: after a restart there are none. */
export class MemoryKeyManager implements KeyManager {
  readonly #keys = new Map<string, LocalKey>()

  async generateKey(id: string, type: KeyType): Promise<SigningKey> {
    if (id === '') throw new KeyManagerError('ERR_KEY_ID_MISSING', 'key id is required')
    const key = new LocalKey(id, type, await generatePrivateKey(type))
    this.#keys.get(id)?.retire()
    this.#keys.set(id, key)
    return key
  }

  async getKey(id: string): Promise<SigningKey> {
    const key = await this.findKey(id)
    if (!key) throw new KeyManagerError('ERR_KEY_NOT_FOUND', `no such key "${id}"`)
    return key
  }

  findKey(id: string): Promise<SigningKey | undefined> {
    return Promise.resolve(this.#keys.get(id))
  }

  listKeys(): Promise<readonly SigningKey[]> {
    return Promise.resolve([...this.#keys.values()])
  }
}
