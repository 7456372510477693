import { isIP } from 'node:net'
import { IpNetworks } from '@mini-spire/runtime/http/ip-networks'
import type { Cidr } from '../model/cidr.ts'

/** Networks that a remote party may not send us to [RFC 6890]: our own machine, our own network, nobody's. */
const inward = new IpNetworks([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
  '::/127',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
])

/**
 * Which IP addresses a remote party may choose for us: not those of our own machine and network, unless an operator allows
 * them. An IPv6 address that stands for an IPv4 one is refused with it, and allowed only by its own number.
 */
export class RemoteAddresses {
  readonly #allowed: IpNetworks

  constructor(options: { readonly allowed: readonly Cidr[] }) {
    this.#allowed = new IpNetworks(options.allowed)
  }

  mayLeadTo(address: string): boolean {
    if (isIP(address) === 0) return false
    return this.#allowed.include(address) || !inward.mayBeReachedBy(address)
  }
}
