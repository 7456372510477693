import { BlockList, isIP } from 'node:net'
import { ipv6Groups } from '../ipv6-groups.ts'

/** Networks of IP addresses, each as `address/prefix`. */
export class IpNetworks {
  readonly #list = new BlockList()

  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const [network = '', prefix] = cidr.split('/')
      this.#list.addSubnet(network, Number(prefix), familyOf(network))
    }
  }

  /** Whether an address is in one of them. */
  include(address: string): boolean {
    return this.#list.check(address, familyOf(address))
  }

  /** Whether who connects to an address may arrive in one of them: it is there itself, or stands for an address that is. */
  mayBeReachedBy(address: string): boolean {
    return [address, ...ipv4AddressesWithin(address)].some((one) => this.include(one))
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}

/** Where the four bytes are in an address, by the groups that it begins with. */
const forms: readonly (readonly [prefix: readonly number[], places: readonly number[][]])[] = [
  // IPv4-compatible, mapped and translated [RFC 4291 2.5.5, RFC 2765 2.1].
  [[0, 0, 0, 0, 0, 0], [[12, 13, 14, 15]]],
  [[0, 0, 0, 0, 0, 0xffff], [[12, 13, 14, 15]]],
  [[0, 0, 0, 0, 0xffff, 0], [[12, 13, 14, 15]]],
  // NAT64 [RFC 6052 2.2]. Of the local prefix [RFC 8215] only the network knows where the bytes are.
  [[0x64, 0xff9b, 0, 0, 0, 0], [[12, 13, 14, 15]]],
  [
    [0x64, 0xff9b, 1],
    [
      [6, 7, 9, 10],
      [7, 9, 10, 11],
      [9, 10, 11, 12],
      [12, 13, 14, 15],
    ],
  ],
  // 6to4 [RFC 3056 2].
  [[0x2002], [[2, 3, 4, 5]]],
]
const teredo: readonly number[] = [0x2001, 0]

/**
 * The IPv4 addresses that an IPv6 address may stand for, where a translator or tunnel is on the way. Those that only the zeros
 * around another would make, in 0.0.0.0/8, are left out: nothing is there.
 */
function ipv4AddressesWithin(address: string): readonly string[] {
  if (isIP(address) !== 6) return []
  const groups = ipv6Groups(address)
  const bytes = groups.flatMap((group) => [group >> 8, group & 0xff])
  const beginsWith = (prefix: readonly number[]): boolean =>
    prefix.every((group, index) => groups[index] === group)
  const found = forms
    .filter(([prefix]) => beginsWith(prefix))
    .flatMap(([, places]) => places.map((place) => place.map((index) => bytes[index] ?? 0)))
  // Of the client at the end of the tunnel every bit is inverted [RFC 4380 4].
  if (beginsWith(teredo)) found.push(bytes.slice(12).map((byte) => byte ^ 0xff))
  return found.filter(([first]) => first !== 0).map((four) => four.join('.'))
}
