import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { messageOf } from '@mini-spire/sdk/errors'

/** What the system's resolver takes as an IPv4 address, and Go's as a name that nobody has: `0`, `127.1`, `0x7f.1`, `127.0.0.01`. */
const oldForms = /^(?:0x[\da-f]*|\d+)(?:\.(?:0x[\da-f]*|\d+)){0,3}$/i

/**
 * The literal address that `bind_address` names: brackets are taken off, names are looked up, IPv4 first.
 *
 * @throws {ConfigError} for a port that does not exist and a name that is not known
 */
export async function resolveBindAddress(address: string, port: number): Promise<string> {
  const failed = `could not resolve bind address "${address}:${port}": `
  const host = address.replace(/^[[\]]+|[[\]]+$/g, '')
  if (port < 0 || port > 65_535) throw invalid(`${failed}address ${port}: invalid port`)
  if (isIP(host) !== 0) return host
  if (oldForms.test(host)) throw invalid(`${failed}lookup ${host}: no such host`)
  try {
    const found = await lookup(host, { all: true })
    const best = found.find(({ family }) => family === 4) ?? found[0]
    if (best) return best.address
  } catch (error) {
    const isUnknown = error instanceof Error && 'code' in error && error.code === 'ENOTFOUND'
    const reason = isUnknown ? 'no such host' : messageOf(error)
    throw invalid(`${failed}lookup ${host}: ${reason}`)
  }
  throw invalid(`${failed}lookup ${host}: no such host`)
}
