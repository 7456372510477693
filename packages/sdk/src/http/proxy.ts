import { BlockList, isIP } from 'node:net'
import { HttpError } from './http-error.ts'
import type { Environment } from './system-roots.ts'

/**
 * The proxy that a request goes through, as Go programs read it from the environment: `HTTPS_PROXY` or `HTTP_PROXY` by
 * the URL's scheme, unless `NO_PROXY` names the host; upper case before lower case. This machine is never reached
 * through a proxy, and neither is anything by `HTTP_PROXY` where `REQUEST_METHOD` is set (a web server could have set it from a header).
 *
 * @throws {HttpError} `ERR_HTTP_PROXY` for a proxy that is not an http or https URL
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const isSecure = url.protocol === 'https:'
  if (!isSecure && environment['REQUEST_METHOD']) return undefined
  const value = read(environment, isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY')
  if (value === '' || isExempt(url, read(environment, 'NO_PROXY'))) return undefined
  const text = value.includes('://') ? value : `http://${value}`
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (!proxy || !['http:', 'https:'].includes(proxy.protocol)) {
    throw new HttpError(
      'ERR_HTTP_PROXY',
      'the proxy of the environment is not an http or https URL',
    )
  }
  return proxy
}

function read(environment: Environment, name: string): string {
  return environment[name] || environment[name.toLowerCase()] || ''
}

function isExempt(url: URL, noProxy: string): boolean {
  const host = hostOf(url)
  const port = String(portOf(url))
  if (isLoopback(host)) return true
  return noProxy
    .split(',')
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== '' && matchesRule(rule, host, port))
}

function matchesRule(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true
  if (rule.includes('/')) return isInNetwork(rule, host)
  const [, name = '', onlyPort] = /^(\[[^\]]*\]|[^:]*|[^[]*:[^:]*:.*)(?::(\d+))?$/.exec(rule) ?? []
  if (onlyPort !== undefined && onlyPort !== port) return false
  const wanted = name.replace(/^\[(.*)\]$/, '$1')
  if (isIP(wanted) !== 0) return wanted === host
  const suffix = wanted.replace(/^\*\./, '.')
  if (suffix === '') return false
  return suffix.startsWith('.')
    ? host.endsWith(suffix)
    : host === suffix || host.endsWith(`.${suffix}`)
}

function isInNetwork(rule: string, host: string): boolean {
  const [network = '', bits = ''] = rule.split('/')
  const family = isIP(network)
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits)) return false
  const longest = family === 4 ? 32 : 128
  if (Number(bits) > longest) return false
  const list = new BlockList()
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(network, Number(bits), kind)
  return list.check(host, kind)
}

/** The host of a URL without brackets and final dot. */
export function hostOf(url: URL): string {
  return url.hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase()
}

/** The port of a URL, its scheme's when it names none. */
export function portOf(url: URL): number {
  return Number(url.port || (url.protocol === 'https:' ? 443 : 80))
}

/** What a proxy is told of us: the name and password in its URL, if there are any. */
export function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
