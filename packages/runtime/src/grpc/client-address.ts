import { isIPv4 } from 'node:net'

/** An address as it is written everywhere: an IPv4 address that came in by IPv6 as IPv4, a zone left out. */
export function plainAddress(address: string): string {
  const withoutZone = address.split('%')[0] ?? ''
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(withoutZone)?.[1]
  return mapped ?? withoutZone
}

/**
 * What the bounds of a host count an address by: an IPv4 address itself, of an IPv6 address its first 64 bits. Whoever has one
 * IPv6 address commonly has the whole network of it, and could take another for every connection.
 */
export function limitKey(address: string): string {
  const plain = plainAddress(address)
  if (isIPv4(plain) || !plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  // What `::` stands for begins within the first half, or lies behind it.
  const hidden = tail === undefined ? 0 : 8 - groups.length - groupCount(tail)
  const all = [...groups, ...Array<string>(hidden).fill('0'), ...(tail ? tail.split(':') : [])]
  const network = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}

/** How many groups of 16 bits a text has; a dotted end has two. */
function groupCount(text: string): number {
  if (text === '') return 0
  return text.split(':').length + (text.includes('.') ? 1 : 0)
}
