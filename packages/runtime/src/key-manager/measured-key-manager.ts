import type { Clock } from '../clock.ts'
import type { KeyManager, KeyType, SigningKey, SignOptions } from './key-manager.ts'

/** Calls of a key manager, as metrics name them. */
export type KeyManagerCall = 'generate_key' | 'get_public_key' | 'get_public_keys' | 'sign_data'

/** Told of each call when it has ended; `error` is undefined when it succeeded. */
export type KeyManagerObserver = (
  call: KeyManagerCall,
  outcome: { readonly durationMs: number; readonly error: unknown },
) => void

/** Options of {@link MeasuredKeyManager}. */
export interface MeasuredKeyManagerOptions {
  readonly keys: KeyManager
  readonly clock: Clock
  readonly observe: KeyManagerObserver
}

/** A key manager that tells of each call of another: how long it took and whether it failed. */
export class MeasuredKeyManager implements KeyManager {
  readonly #options: MeasuredKeyManagerOptions

  constructor(options: MeasuredKeyManagerOptions) {
    this.#options = options
  }

  async generateKey(id: string, type: KeyType): Promise<SigningKey> {
    const { keys } = this.#options
    return this.#wrap(await this.#measure('generate_key', () => keys.generateKey(id, type)))
  }

  async getKey(id: string): Promise<SigningKey> {
    return this.#wrap(await this.#measure('get_public_key', () => this.#options.keys.getKey(id)))
  }

  async findKey(id: string): Promise<SigningKey | undefined> {
    const key = await this.#measure('get_public_key', () => this.#options.keys.findKey(id))
    return key && this.#wrap(key)
  }

  async listKeys(): Promise<readonly SigningKey[]> {
    const keys = await this.#measure('get_public_keys', () => this.#options.keys.listKeys())
    return keys.map((key) => this.#wrap(key))
  }

  #wrap(key: SigningKey): SigningKey {
    const { signSync, tlsKey } = key
    return {
      id: key.id,
      type: key.type,
      publicKey: key.publicKey,
      sign: (data, options) => this.#measure('sign_data', () => key.sign(data, options)),
      ...(signSync && { signSync: (data, options) => this.#signSync(key, data, options) }),
      ...(tlsKey && { tlsKey: () => tlsKey.call(key) }),
    }
  }

  #signSync(key: SigningKey, data: Uint8Array, options: SignOptions): Uint8Array {
    const startedMs = this.#options.clock.nowMs()
    try {
      const signature = key.signSync?.(data, options) ?? Buffer.of()
      this.#tell('sign_data', startedMs, undefined)
      return signature
    } catch (error) {
      this.#tell('sign_data', startedMs, error)
      throw error
    }
  }

  async #measure<Result>(call: KeyManagerCall, work: () => Promise<Result>): Promise<Result> {
    const startedMs = this.#options.clock.nowMs()
    try {
      const result = await work()
      this.#tell(call, startedMs, undefined)
      return result
    } catch (error) {
      this.#tell(call, startedMs, error)
      throw error
    }
  }

  #tell(call: KeyManagerCall, startedMs: number, error: unknown): void {
    const { clock, observe } = this.#options
    observe(call, { durationMs: clock.nowMs() - startedMs, error })
  }
}
