import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { splitHost } from '@mini-spire/runtime/https/host-allowlist'

/** Where to listen. */
export interface ListenAddress {
  /** Undefined: every interface. */
  readonly host: string | undefined
  readonly port: number
  /** As Go prints it. */
  readonly text: string
}

const services: Readonly<Record<string, number>> = { '': 0, http: 80, https: 443 }

/** Reads `host:port` as Go does. Names are looked up, IPv4 first. @throws {ConfigError} in Go's words */
export async function parseListenAddress(text: string): Promise<ListenAddress> {
  const { domain: host, port: portText } = splitHost(text)
  if (portText === undefined) throw invalid(`address ${text}: missing port in address`)
  const port = /^\d+$/.test(portText) ? Number(portText) : services[portText]
  if (port === undefined) throw invalid(`lookup tcp/${portText}: unknown port`)
  if (port > 65_535) throw invalid(`address ${portText}: invalid port`)
  if (host === '') return { host: undefined, port, text: `:${port}` }
  const address = isIP(host) === 0 ? await lookUp(host) : host
  return {
    host: address,
    port,
    text: `${address.includes(':') ? `[${address}]` : address}:${port}`,
  }
}

async function lookUp(host: string): Promise<string> {
  try {
    const found = await lookup(host, { all: true })
    const best = found.find(({ family }) => family === 4) ?? found[0]
    if (best) return best.address
  } catch {
    // Said below.
  }
  throw invalid(`lookup ${host}: no such host`)
}
