import { isIPv4, isIPv6 } from 'node:net'
import { plainAddress } from '../client-address.ts'

/** What the first bytes of a connection say about who is behind a proxy. */
export type ProxyHeader =
  /** No header: what was read belongs to the connection. */
  | { readonly kind: 'absent' }
  /** The beginning of one. */
  | { readonly kind: 'incomplete' }
  /** Not a header, though it began as one; or one that does not tell a TCP client. */
  | { readonly kind: 'malformed'; readonly reason: string }
  /** The proxy speaks for itself: the connection is from where it is from. */
  | { readonly kind: 'local'; readonly length: number }
  | {
      readonly kind: 'proxied'
      readonly length: number
      readonly address: string
      readonly port: number
    }

const v1Start = Buffer.from('PROXY')
const v2Start = Buffer.from([
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
])
const v1MaxBytes = 107
const v2HeadBytes = 16
/** As SPIRE's: addresses and extensions of a binary header. */
const v2MaxRestBytes = 4096

/** Reads a PROXY protocol header, version 1 (text) or 2 (binary), from what has arrived of a connection so far. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsAs(bytes, v1Start)) return bytes.length < v1Start.length ? incomplete : parseV1(bytes)
  if (startsAs(bytes, v2Start)) return bytes.length < v2HeadBytes ? incomplete : parseV2(bytes)
  return bytes.length === 0 ? incomplete : { kind: 'absent' }
}

const incomplete: ProxyHeader = { kind: 'incomplete' }

/** Whether the bytes that are there are those of the beginning. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return length > 0 && bytes.subarray(0, length).equals(start.subarray(0, length))
}

function parseV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, v1MaxBytes).indexOf('\n')
  if (end === -1) return bytes.length < v1MaxBytes ? incomplete : malformed('no end of line')
  const line = bytes.subarray(0, end + 1).toString('latin1')
  const length = end + 1
  if (/^PROXY UNKNOWN( [^\r\n]*)?\r\n$/.test(line)) return { kind: 'local', length }
  const [, family = '', source = '', destination = '', port = '', destinationPort = ''] =
    /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line) ?? []
  const isFamily = family === '4' ? isIPv4 : isIPv6
  if (family === '' || !isFamily(source) || !isFamily(destination)) return malformed('bad line')
  if (!isPort(port) || !isPort(destinationPort)) return malformed('bad port')
  return { kind: 'proxied', length, address: plainAddress(source), port: Number(port) }
}

function isPort(digits: string): boolean {
  return Number(digits) <= 65_535 && (digits === '0' || !digits.startsWith('0'))
}

const commands = { local: 0x20, proxy: 0x21 }
const families = [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32]
const tcp4 = 0x11
const tcp6 = 0x21

function parseV2(bytes: Buffer): ProxyHeader {
  const [command, family = 0] = bytes.subarray(12)
  const rest = bytes.readUInt16BE(14)
  if (command !== commands.local && command !== commands.proxy) return malformed('bad command')
  if (!families.includes(family)) return malformed('bad address family')
  if (rest > v2MaxRestBytes) return malformed('too long')
  const length = v2HeadBytes + rest
  if (command === commands.local)
    return bytes.length < length ? incomplete : { kind: 'local', length }
  const addressBytes = family === tcp4 ? 4 : family === tcp6 ? 16 : 0
  if (addressBytes === 0) return malformed('no TCP client')
  if (rest < 2 * addressBytes + 4) return malformed('too short')
  if (bytes.length < length) return incomplete
  const source = bytes.subarray(v2HeadBytes, v2HeadBytes + addressBytes)
  const port = bytes.readUInt16BE(v2HeadBytes + 2 * addressBytes)
  return { kind: 'proxied', length, address: addressText(source), port }
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(2 * n).toString(16))
  // The URL parser shortens an address the one way that everybody does.
  const shortest = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
  const isMapped = bytes.subarray(0, 12).equals(mappedPrefix)
  return isMapped ? bytes.subarray(12).join('.') : shortest
}

/** `::ffff:0:0/96`, below which IPv4 lies. */
const mappedPrefix = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])

function malformed(reason: string): ProxyHeader {
  return { kind: 'malformed', reason }
}
