import type { KeyObject } from 'node:crypto'
import { escapeGoJson } from '@mini-spire/runtime/go-json'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type { TokenKey } from './published-keys.ts'

/** Options of {@link keySetDocument}. */
export interface KeySetDocumentOptions {
  /** Adds `use` to each key, which some relying parties ask for. */
  readonly setsKeyUse: boolean
  readonly log: Logger
}

/** A key set [RFC 7517 5], byte for byte as SPIRE lays it out. */
export function keySetDocument(keys: readonly TokenKey[], options: KeySetDocumentOptions): string {
  const document = { keys: keys.map((key) => jwkOf(key, options)) }
  return escapeGoJson(JSON.stringify(document, undefined, 2))
}

function jwkOf(key: TokenKey, { setsKeyUse, log }: KeySetDocumentOptions): object {
  const { keyId: kid, publicKey } = key
  const { kty, crv, x, y, n, e } = publicKey.export({ format: 'jwk' })
  const { alg, problem } = algorithmOf(publicKey)
  if (problem !== undefined)
    log.error('Failed to get public key algorithm', { kid, error: problem })
  return { use: setsKeyUse ? 'sig' : undefined, kty, kid, crv, alg, x, y, n, e }
}

const algorithms: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384' }

/** The algorithm that a key of this kind verifies. */
function algorithmOf(key: KeyObject): { readonly alg?: string; readonly problem?: string } {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    const bytes = Math.ceil(modulusLength / 8)
    return bytes >= 256 ? { alg: 'RS256' } : { problem: `unsupported RSA key size: ${bytes}` }
  }
  const alg = algorithms[namedCurve]
  const what = namedCurve === '' ? key.asymmetricKeyType : `EC curve ${namedCurve}`
  return alg === undefined
    ? { problem: `unable to determine signature algorithm for ${what}` }
    : { alg }
}
