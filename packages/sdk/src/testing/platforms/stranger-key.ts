import { generateKeyPairSync, type KeyObject } from 'node:crypto'

let made: KeyObject | undefined

/**
 * The RSA key of somebody whom no fake knows: what it signs must be refused. One for the process, made when it is first
 * asked for, because an RSA key takes a tenth of a second.
 */
export function strangerKey(): KeyObject {
  made ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return made
}
