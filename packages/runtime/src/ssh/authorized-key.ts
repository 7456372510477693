import { SshError } from './ssh-error.ts'
import { SshReader } from './ssh-reader.ts'

/**
 * The key or certificate of a line as in `authorized_keys` or a `.pub` file, in wire format: options, algorithm, base64
 * and comment, of which only base64 counts. Comments and empty lines before it are passed over.
 *
 * @throws {SshError} `ERR_SSH_MALFORMED` when there is none
 */
export function parseAuthorizedKey(text: string): Buffer {
  for (const line of text.split('\n')) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const key = findKey(trimmed.split(/[ \t]+/))
    if (key) return key
  }
  throw new SshError('ERR_SSH_MALFORMED', 'no key found')
}

/** The word after that which names its algorithm: options, quoted ones too, may stand before. */
function findKey(words: readonly string[]): Buffer | undefined {
  for (const [index, algorithm] of words.entries()) {
    const encoded = words[index + 1] ?? ''
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) continue
    const key = Buffer.from(encoded, 'base64')
    if (beginsWith(key, algorithm)) return key
  }
  return undefined
}

function beginsWith(key: Buffer, algorithm: string): boolean {
  try {
    return new SshReader(key).text() === algorithm
  } catch {
    return false
  }
}
