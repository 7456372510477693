import { BlockList, isIP } from 'node:net'
import type { Cidr } from '../model/cidr.ts'

/** Networks that a remote party may not send us to [RFC 6890]: our own machine, our own network, nobody's. */
const inward: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
  ['::', 127],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
]

/**
 * Which IP addresses a remote party may choose for us: not those of our own machine and network, unless an operator allows
 * them. An IPv4 address inside of an IPv6 one counts as itself.
 */
export class RemoteAddresses {
  readonly #inward = new BlockList()
  readonly #allowed = new BlockList()

  constructor(options: { readonly allowed: readonly Cidr[] }) {
    for (const [network, prefix] of inward) this.#inward.addSubnet(network, prefix, family(network))
    for (const cidr of options.allowed) {
      const slash = cidr.indexOf('/')
      const network = cidr.slice(0, slash)
      this.#allowed.addSubnet(network, Number(cidr.slice(slash + 1)), family(network))
    }
  }

  mayLeadTo(address: string): boolean {
    if (isIP(address) === 0) return false
    const kind = family(address)
    return this.#allowed.check(address, kind) || !this.#inward.check(address, kind)
  }
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}
