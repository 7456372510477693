import { X509Error } from './x509-error.ts'

/** One block of a PEM text. */
export interface PemBlock {
  /** What stands after `BEGIN`, such as `CERTIFICATE`. */
  readonly label: string
  readonly der: Uint8Array
}

/** Longest PEM text that is read: longer is no bundle, and reading it would be a cost the sender does not have. */
const maxPemCharacters = 16 * 1024 * 1024
const maxPemBlocks = 10_000

const begin = '-----BEGIN '
const dashes = '-----'

/**
 * Reads the blocks of a PEM text in order. What stands between blocks is skipped, as everybody does; a block that has begun
 * must be whole, and its content base64 [RFC 7468]. Takes time linear in the text, whatever it holds.
 *
 * @throws {X509Error} `ERR_PEM_MALFORMED`
 */
export function parsePem(text: string): readonly PemBlock[] {
  if (text.length > maxPemCharacters) throw malformed('text is too long')
  const blocks: PemBlock[] = []
  for (let at = findBegin(text, 0); at >= 0; ) {
    if (blocks.length === maxPemBlocks) throw malformed('too many blocks')
    const labelStart = at + begin.length
    const lineEnd = endOfLine(text, labelStart)
    const line = text.slice(labelStart, lineEnd).trimEnd()
    if (!line.endsWith(dashes)) throw malformed('BEGIN line is not complete')
    const label = line.slice(0, -dashes.length)
    const endLine = `${dashes}END ${label}${dashes}`
    const contentEnd = text.indexOf(dashes, lineEnd)
    if (contentEnd < 0 || !text.startsWith(endLine, contentEnd))
      throw malformed(`block ${JSON.stringify(label.slice(0, 64))} has no END line`)
    blocks.push({ label, der: decodeBase64(text.slice(lineEnd, contentEnd)) })
    at = findBegin(text, contentEnd + endLine.length)
  }
  return blocks
}

/** The content of each block with this label; others are skipped. Throws as {@link parsePem}. */
export function pemDecode(text: string, label: string): readonly Uint8Array[] {
  return parsePem(text)
    .filter((block) => block.label === label)
    .map((block) => block.der)
}

/** Writes one block, 64 characters a line, each line ended, as Go and OpenSSL do. */
export function pemEncode(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  const lines = base64.replaceAll(/.{64}(?=.)/g, '$&\n')
  return `${begin}${label}${dashes}\n${lines === '' ? '' : `${lines}\n`}${dashes}END ${label}${dashes}\n`
}

/** Where the next BEGIN stands that starts a line. */
function findBegin(text: string, from: number): number {
  for (let at = text.indexOf(begin, from); at >= 0; at = text.indexOf(begin, at + 1)) {
    if (at === 0 || text[at - 1] === '\n' || text[at - 1] === '\r') return at
  }
  return -1
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

function decodeBase64(text: string): Uint8Array {
  const compact = text.replaceAll(/[\r\n\t ]+/g, '')
  const der = Buffer.from(compact, 'base64')
  // Buffer skips what is not base64; only canonical text comes back as itself.
  if (compact === '' || der.toString('base64') !== compact) throw malformed('content is not base64')
  return der
}

function malformed(what: string): X509Error {
  return new X509Error('ERR_PEM_MALFORMED', `pem: ${what}`)
}
