import { createHash, randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { type TemplateFunction, taking, takingMore } from './function-signature.ts'
import { printValue, type TemplateValue, templateLimits } from './template-value.ts'

const ofText = (body: (value: string) => TemplateValue): TemplateFunction =>
  taking(['string'], body)
const ofTwo = (body: (first: string, second: string) => TemplateValue): TemplateFunction =>
  taking(['string', 'string'], body)

/** The functions of sprig that take a text and give another, or tell something of it. */
export const textFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['trim', ofText((value) => value.trim())],
  ['upper', ofText(upperCase)],
  ['lower', ofText((value) => value.toLowerCase())],
  ['trunc', taking(['int', 'string'], truncate)],
  ['substr', taking(['int', 'int', 'string'], substring)],
  [
    'abbrev',
    taking(['int', 'string'], (width, value) => (width < 4 ? value : abbreviate(0, width, value))),
  ],
  ['abbrevboth', taking(['int', 'int', 'string'], abbreviateBoth)],
  ['repeat', taking(['int', 'string'], repeated)],
  ['trimAll', ofTwo(trimCharacters)],
  [
    'trimSuffix',
    ofTwo((suffix, value) =>
      suffix !== '' && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value,
    ),
  ],
  [
    'trimPrefix',
    ofTwo((prefix, value) => (value.startsWith(prefix) ? value.slice(prefix.length) : value)),
  ],
  ['contains', ofTwo((part, value) => value.includes(part))],
  ['hasPrefix', ofTwo((prefix, value) => value.startsWith(prefix))],
  ['hasSuffix', ofTwo((suffix, value) => value.endsWith(suffix))],
  ['quote', takingMore([], 'any', (_, all) => wordsOf(all).map(quoteGo).join(' '))],
  [
    'squote',
    takingMore([], 'any', (_, all) =>
      wordsOf(all)
        .map((one) => `'${one}'`)
        .join(' '),
    ),
  ],
  ['cat', takingMore([], 'any', (_, all) => wordsOf(all).join(' '))],
  ['indent', taking(['int', 'string'], indented)],
  ['nindent', taking(['int', 'string'], (spaces, value) => `\n${indented(spaces, value)}`)],
  [
    'replace',
    taking(['string', 'string', 'string'], (old, other, value) =>
      value.replaceAll(old, () => other),
    ),
  ],
  ['plural', taking(['string', 'string', 'int'], (one, many, count) => (count === 1 ? one : many))],
  ['sha1sum', ofText((value) => digest('sha1', value))],
  ['sha256sum', ofText((value) => digest('sha256', value))],
  ['adler32sum', ofText((value) => String(adler32(Buffer.from(value))))],
  ['toString', taking(['any'], printValue)],
  [
    'splitList',
    ofTwo((separator, value) => (separator === '' ? [...value] : value.split(separator))),
  ],
  ['base', ofText((value) => (value === '' ? '.' : posix.basename(value) || '/'))],
  ['dir', ofText((value) => cleanPath(value.slice(0, value.lastIndexOf('/') + 1)))],
  ['clean', ofText(cleanPath)],
  ['ext', ofText((value) => /\.[^./]*$/.exec(value)?.[0] ?? '')],
  ['isAbs', ofText((value) => value.startsWith('/'))],
  ['b64enc', ofText((value) => Buffer.from(value).toString('base64'))],
  ['b64dec', ofText(decodeBase64)],
  ['b32enc', ofText((value) => encodeBase32(Buffer.from(value)))],
  ['b32dec', ofText(decodeBase32)],
  ['uuidv4', taking([], () => randomUUID())],
  [
    'fail',
    ofText((message) => {
      throw new Error(message)
    }),
  ],
]

/** Values as texts, those that are nil left out. */
function wordsOf(values: readonly TemplateValue[]): readonly string[] {
  return values.filter((value) => value !== null).map(printValue)
}

/** Letter by letter, as Go: `ß` stays what it is. */
function upperCase(value: string): string {
  return value.replaceAll(/\p{L}/gu, (letter) => {
    const upper = letter.toUpperCase()
    return [...upper].length === 1 ? upper : letter
  })
}

/** Lengths are of bytes. */
function cut(value: string, start: number, end: number): string {
  const bytes = Buffer.from(value)
  if (start < 0 || end < start || end > bytes.length) {
    throw new Error(`slice bounds out of range [${start}:${end}] with length ${bytes.length}`)
  }
  return bytes.toString('utf8', start, end)
}

function truncate(length: number, value: string): string {
  const all = Buffer.byteLength(value)
  if (length < 0) return all + length > 0 ? cut(value, all + length, all) : value
  return all > length ? cut(value, 0, length) : value
}

function substring(start: number, end: number, value: string): string {
  const all = Buffer.byteLength(value)
  if (start < 0) return cut(value, 0, end)
  return cut(value, start, end < 0 || end > all ? all : end)
}

/** At most `width` bytes: what lies from `offset` on, with dots for what is left out. */
function abbreviate(offset: number, width: number, value: string): string {
  const all = Buffer.byteLength(value)
  if (all <= width) return value
  const room = width - 3
  const start = Math.min(offset, all - room)
  if (start <= 4) return `${cut(value, 0, room)}...`
  if (start + room >= all) return `...${cut(value, all - room, all)}`
  return `...${abbreviate(0, room, cut(value, start, all))}`
}

function abbreviateBoth(left: number, right: number, value: string): string {
  if (right < 4 || (left > 0 && right < 7)) return value
  return abbreviate(left, right, value)
}

function repeated(count: number, value: string): string {
  if (count < 0) throw new Error('strings: negative Repeat count')
  if (count * value.length > templateLimits.textBytes) throw new Error('the text is too long')
  return value.repeat(count)
}

function trimCharacters(cutset: string, value: string): string {
  let start = 0
  let end = value.length
  while (start < end && cutset.includes(value.charAt(start))) start++
  while (end > start && cutset.includes(value.charAt(end - 1))) end--
  return value.slice(start, end)
}

function indented(spaces: number, value: string): string {
  const pad = repeated(spaces, ' ')
  if (pad.length * value.split('\n').length > templateLimits.textBytes) {
    throw new Error('the text is too long')
  }
  return pad + value.replaceAll('\n', `\n${pad}`)
}

function digest(algorithm: string, value: string): string {
  return createHash(algorithm).update(value).digest('hex')
}

/** The checksum of RFC 1950 8.2. */
function adler32(bytes: Uint8Array): number {
  const modulus = 65_521
  let [low, high] = [1, 0]
  for (const byte of bytes) {
    low = (low + byte) % modulus
    high = (high + low) % modulus
  }
  return high * 65_536 + low
}

/** The shortest path of the same meaning; `.` for none, never with a slash at its end. */
function cleanPath(value: string): string {
  const path = value === '' ? '.' : posix.normalize(value)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

const corrupt = (kind: string, at: number): string => `illegal ${kind} data at input byte ${at}`

function decodeBase64(value: string): string {
  const text = value.replaceAll(/[\r\n]/g, '')
  const good = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?/.exec(text)?.[0]
  if (good?.length === text.length) return Buffer.from(text, 'base64').toString('utf8')
  // What cannot be decoded is its own message.
  return corrupt('base64', /[^A-Za-z0-9+/]/.exec(text)?.index ?? text.length - (text.length % 4))
}

const base32Alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function encodeBase32(bytes: Uint8Array): string {
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  const groups = bits.match(/.{1,5}/g) ?? []
  const text = groups
    .map((group) => base32Alphabet[Number.parseInt(group.padEnd(5, '0'), 2)])
    .join('')
  return text.padEnd(Math.ceil(text.length / 8) * 8, '=')
}

function decodeBase32(value: string): string {
  const text = value.replaceAll(/[\r\n]/g, '')
  const digits = text.replace(/=+$/, '')
  const wrong = /[^A-Z2-7]/.exec(digits)
  if (wrong) return corrupt('base32', wrong.index)
  if (text.length % 8 !== 0 || ![0, 2, 4, 5, 7].includes(digits.length % 8)) {
    return corrupt('base32', text.length - (text.length % 8))
  }
  let bits = ''
  for (const digit of digits) bits += base32Alphabet.indexOf(digit).toString(2).padStart(5, '0')
  const bytes = bits.match(/.{8}/g) ?? []
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2))).toString('utf8')
}
