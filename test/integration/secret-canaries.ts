import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Something that must not be found, under every spelling in which programs are used to leak it. */
export interface Canary {
  readonly name: string
  readonly spellings: readonly Buffer[]
}

/** A text that is a secret as it stands, such as a join token. */
export function textCanary(name: string, text: string): Canary {
  if (text.length < 16) throw new Error(`${name} is too short to be looked for: ${text.length}`)
  return { name, spellings: [Buffer.from(text), Buffer.from(Buffer.from(text).toString('base64'))] }
}

/** A token: its signature is what makes it one; what is signed names nobody's secret, but belongs nowhere either. */
export function jwtCanary(name: string, token: string): Canary {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const parts = [`${header}.${payload}`, payload, signature]
  return { name, spellings: parts.map((part) => Buffer.from(part)) }
}

/** A private key: its secret number as bytes, hexadecimal, decimal bytes, and Base64 however it lies in what is around it. */
export function keyCanary(name: string, key: KeyObject): Canary {
  const { d } = key.export({ format: 'jwk' })
  if (typeof d !== 'string') throw new Error(`${name} is not a private key`)
  const secret = Buffer.from(d, 'base64url')
  const hex = secret.toString('hex')
  const texts = [
    hex,
    hex.toUpperCase(),
    (hex.match(/../g) ?? []).join(' '),
    secret.join(','),
    secret.join(' '),
    ...[0, 1, 2].flatMap((offset) => base64Inside(secret, offset)),
  ]
  return { name, spellings: [secret, ...texts.map((text) => Buffer.from(text))] }
}

/** All keys of a key file. */
export function keyFileCanaries(name: string, path: string): readonly Canary[] {
  const { keys } = JSON.parse(readFileSync(path, 'utf8')) as { keys: Record<string, string> }
  return Object.entries(keys).map(([id, der]) => {
    const key = Buffer.from(der, 'base64')
    return keyCanary(`${name} ${id}`, createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
  })
}

/** What of the bytes does not depend on their neighbours when they begin `offset` bytes into a Base64 group. */
function base64Inside(secret: Buffer, offset: number): readonly string[] {
  const from = (3 - offset) % 3
  const whole = secret.subarray(from, from + Math.floor((secret.length - from) / 3) * 3)
  return [whole.toString('base64'), whole.toString('base64url')]
}

/** Everything that was written somewhere, by where. */
export type Writings = ReadonlyMap<string, Buffer>

/** Every file below a folder, but those that are there to hold keys. */
export function writingsBelow(folder: string): Writings {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'keys.json')
    .map((entry) => join(entry.parentPath, entry.name))
  return new Map(files.map((path) => [path, readFileSync(path)]))
}

/** Where which canary is found, as `secret in place`. */
export function leaks(writings: Writings, canaries: readonly Canary[]): readonly string[] {
  return [...writings].flatMap(([place, content]) =>
    canaries
      .filter(({ spellings }) => spellings.some((spelling) => content.includes(spelling)))
      .map(({ name }) => `${name} in ${place}`),
  )
}
