import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { messageOf } from '@mini-spire/sdk/errors'
import { writeFileAtomically } from '../../atomic-file.ts'
import { osErrorText } from '../../os-error.ts'
import { signerTypeOf } from '../../x509/signer.ts'
import { keyTypes } from '../key-manager.ts'
import { KeyManagerError } from '../key-manager-error.ts'
import { LocalKey } from '../local-key.ts'

/** Permission bits of a keys file. */
export const keysFileMode = 0o600

/**
 * Reads a keys file: `{"keys": {"<id>": "<base64 of PKCS#8 DER>"}}`, as SPIRE's disk key managers write it.
 *
 * A file that does not exist holds no keys. Unknown members are ignored, as SPIRE does. No error carries any of the content:
 * it is private keys.
 *
 * @throws {KeyManagerError} `ERR_KEY_FILE_CORRUPT` naming the file and, when it is one key's fault, the key;
 *   `ERR_KEY_FILE_UNUSABLE` when it cannot be read
 */
export async function readKeysFile(path: string): Promise<readonly LocalKey[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new KeyManagerError('ERR_KEY_FILE_UNUSABLE', messageOf(error), { cause: error })
  }
  return Object.entries(decode(path, text)).map(([id, value]) => keyFromText(path, id, value))
}

/**
 * Writes a keys file in SPIRE's exact form (tab-indented, IDs sorted, no line feed at the end), crash-safe, mode 0600.
 *
 * @throws {KeyManagerError} `ERR_KEY_FILE_UNUSABLE`; the file then still has its old content
 */
export async function writeKeysFile(path: string, keys: Iterable<LocalKey>): Promise<void> {
  const sorted = [...keys].sort((a, b) => (a.id < b.id ? -1 : 1))
  const data = {
    keys: Object.fromEntries(sorted.map((key) => [key.id, key.exportPkcs8().toString('base64')])),
  }
  try {
    await writeFileAtomically(path, JSON.stringify(data, undefined, '\t'), { mode: keysFileMode })
  } catch (error) {
    throw new KeyManagerError(
      'ERR_KEY_FILE_UNUSABLE',
      `keymanager(disk): failed to generate key: unable to write entries: ${osErrorText('open', `${path}.tmp`, error)}`,
      {
        cause: error,
      },
    )
  }
}

function decode(path: string, text: string): Readonly<Record<string, unknown>> {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    // The parser's own text quotes the content.
    throw corrupt(`unable to decode keys JSON: ${path}: not valid JSON`)
  }
  if (!isObject(data)) throw corrupt(`unable to decode keys JSON: ${path}: not an object`)
  const keys = data['keys'] ?? {}
  if (!isObject(keys)) throw corrupt(`unable to decode keys JSON: ${path}: "keys" is not an object`)
  return keys
}

function keyFromText(path: string, id: string, value: unknown): LocalKey {
  const refuse = (why: string): never => {
    throw corrupt(`unable to parse key ${JSON.stringify(id)}: ${path}: ${why}`)
  }
  if (typeof value !== 'string') return refuse('not a string')
  const der = Buffer.from(value, 'base64')
  if (der.toString('base64') !== value) return refuse('not base64')
  let key: KeyObject
  try {
    key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } catch {
    return refuse('not a PKCS#8 private key')
  }
  const found = signerTypeOf(key)
  const type = keyTypes.find((known) => known === found)
  return type ? new LocalKey(id, type, key) : refuse('neither EC P-256, P-384 nor RSA 2048, 4096')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function corrupt(message: string): KeyManagerError {
  return new KeyManagerError('ERR_KEY_FILE_CORRUPT', message)
}
