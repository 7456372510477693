import { mkdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import type { KeyManager, KeyType, SigningKey } from '../key-manager.ts'
import { KeyManagerError } from '../key-manager-error.ts'
import { generatePrivateKey, LocalKey } from '../local-key.ts'
import { readKeysFile, writeKeysFile } from './keys-file.ts'

/** Name of the keys file in an agent's key directory. */
const keysFileName = 'keys.json'

/**
 * Keys in a JSON file that SPIRE reads and writes too, so that keys move between the two in place.
 *
 * A key is on disk before {@link DiskKeyManager.generateKey} resolves; when writing fails, the earlier keys stay, on disk and
 * in use.
 */
export class DiskKeyManager implements KeyManager {
  readonly #path: string
  readonly #keys: Map<string, LocalKey>
  #lastWrite: Promise<unknown> = Promise.resolve()

  private constructor(path: string, keys: readonly LocalKey[]) {
    this.#path = path
    this.#keys = new Map(keys.map((key) => [key.id, key]))
  }

  /**
   * Opens a server's keys: the file that `keys_path` names. Its folder must exist once a key is made.
   *
   * @throws {KeyManagerError} `ERR_KEY_FILE_CORRUPT`, `ERR_KEY_FILE_UNUSABLE`
   */
  static async openFile(path: string): Promise<DiskKeyManager> {
    return new DiskKeyManager(path, await readKeysFile(path))
  }

  /**
   * Opens an agent's keys: `keys.json` in a folder, which is made (mode 0700) when it is missing and must be writable.
   *
   * @throws {KeyManagerError} `ERR_KEY_FILE_CORRUPT`, `ERR_KEY_FILE_UNUSABLE`
   */
  static async openDirectory(directory: string): Promise<DiskKeyManager> {
    await checkDirectory(directory)
    return await DiskKeyManager.openFile(join(directory, keysFileName))
  }

  async generateKey(id: string, type: KeyType): Promise<SigningKey> {
    if (id === '') throw new KeyManagerError('ERR_KEY_ID_MISSING', 'key id is required')
    const key = new LocalKey(id, type, await generatePrivateKey(type))
    const write = this.#lastWrite.then(() => this.#keep(key))
    this.#lastWrite = write.catch(() => {})
    await write
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

  async #keep(key: LocalKey): Promise<void> {
    await writeKeysFile(this.#path, new Map(this.#keys).set(key.id, key).values())
    this.#keys.get(key.id)?.retire()
    this.#keys.set(key.id, key)
  }
}

async function checkDirectory(directory: string): Promise<void> {
  const probe = join(directory, '.probe')
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeFile(probe, '', { mode: 0o600 })
    await unlink(probe)
  } catch (error) {
    throw new KeyManagerError(
      'ERR_KEY_FILE_UNUSABLE',
      `directory validation failed: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
