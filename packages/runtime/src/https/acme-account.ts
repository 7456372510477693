import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomically } from '../atomic-file.ts'
import { newAccountKey } from './acme-order.ts'
import { readIfThere } from './read-if-there.ts'

/** The account at a certificate authority, known by its key, which is kept between runs. */
export class AcmeAccount {
  readonly #cacheDirectory: string
  #key: Promise<string> | undefined

  /** @param cacheDirectory empty: the key is not kept */
  constructor(cacheDirectory: string) {
    this.#cacheDirectory = cacheDirectory
  }

  /** The key, PEM; made when there is none. */
  async key(): Promise<string> {
    this.#key ??= this.#load()
    try {
      return await this.#key
    } catch (error) {
      this.#key = undefined
      throw error
    }
  }

  async #load(): Promise<string> {
    if (this.#cacheDirectory === '') return await newAccountKey()
    const path = join(this.#cacheDirectory, 'acme_account.key')
    // The other name is that of SPIRE's programs.
    const known = await readIfThere(path, join(this.#cacheDirectory, 'acme_account+key'))
    if (known !== undefined) return known
    const key = await newAccountKey()
    await mkdir(this.#cacheDirectory, { recursive: true, mode: 0o700 })
    await writeFileAtomically(path, key, { mode: 0o600 })
    return key
  }
}
