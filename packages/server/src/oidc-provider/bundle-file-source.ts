import { readFile } from 'node:fs/promises'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TokenKey } from '../oidc/published-keys.ts'
import type { KeySource } from './key-poller.ts'

/** A bundle in a file does not say whose it is, and nobody asks. */
const anybody = TrustDomain.parse('file.invalid')

/** The keys of a SPIFFE bundle in a file. */
export class BundleFileSource implements KeySource {
  readonly #path: string
  readonly #log: Logger

  constructor(path: string, log: Logger) {
    this.#path = path
    this.#log = log
  }

  async fetch(): Promise<readonly TokenKey[] | undefined> {
    try {
      return parse(await read(this.#path))
    } catch (error) {
      const reason = `spiffebundle: unable to ${messageOf(error)}`
      this.#log.warn('Failed to load SPIFFE trust bundle', { error: reason })
      return undefined
    }
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`read SPIFFE bundle: ${osErrorText('open', path, error)}`, { cause: error })
  }
}

function parse(text: string): readonly TokenKey[] {
  try {
    return SpiffeBundle.parse(anybody, text).jwt.authorities
  } catch (error) {
    throw new Error(`parse JWKS: ${messageOf(error)}`, { cause: error })
  }
}
