import { isIPv4 } from 'node:net'
import { ipv6Groups } from './ipv6-groups.ts'

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
  const network = ipv6Groups(plain).slice(0, 4)
  return `${network.map((group) => group.toString(16)).join(':')}::/64`
}
