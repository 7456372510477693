import { domainToASCII, domainToUnicode } from 'node:url'
import { quoteGo } from '../go-quote.ts'

/** A host as clients name it: `example.org`, `example.org:8443`, `[::1]:8443`. */
export interface NamedHost {
  readonly domain: string
  /** What follows the colon; undefined without one. */
  readonly port: string | undefined
}

/** Takes host and port apart as Go does; what has no port in this form is all domain. */
export function splitHost(host: string): NamedHost {
  const [, bracketed, plain, port] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(host) ?? []
  return port === undefined
    ? { domain: host, port: undefined }
    : { domain: bracketed ?? plain ?? '', port }
}

/** The domains under which something is served. Whoever asks under another one is told why not, in SPIRE's words. */
export class HostAllowlist {
  readonly #domains: ReadonlySet<string>

  /** Domains that {@link domainProblem} has nothing to say about. */
  constructor(domains: readonly string[]) {
    this.#domains = new Set(domains)
  }

  /** Undefined for a host that is allowed, whatever its port. A port that is no number names no host. */
  problemOf(host: string): string | undefined {
    const { domain, port } = splitHost(host)
    const problem = domainProblem(domain)
    if (problem !== undefined) return problem
    if (!this.#domains.has(domain)) return `domain ${quoteGo(domain)} is not allowed`
    // It would stand in the URLs of the answer.
    if (port !== undefined && !/^\d{0,5}$/.test(port))
      return `host ${quoteGo(host)} has no valid port`
    return undefined
  }
}

/** What keeps a text from being a domain name in the form in which clients send it: lower case, punycode. */
export function domainProblem(domain: string): string | undefined {
  const fault = faultOf(domain)
  if (fault !== undefined)
    return `domain ${quoteGo(domain)} is not a valid domain name: idna: ${fault}`
  return /[A-Z\u{80}-\u{10ffff}]/u.test(domain)
    ? `domain ${quoteGo(domain)} must already be punycode encoded`
    : undefined
}

function faultOf(domain: string): string | undefined {
  for (const character of domain) {
    if (!isAllowed(character)) {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
      return `disallowed rune U+${code}`
    }
  }
  for (const label of domain.toLowerCase().split('.')) {
    const wrong = label.startsWith('xn--') ? punycodeFault(label) : hyphenFault(label)
    if (wrong !== undefined) return `invalid label ${quoteGo(wrong)}`
  }
  return undefined
}

function isAllowed(character: string): boolean {
  if (character.length === 1 && character < '\u0080') return /[A-Za-z0-9.-]/.test(character)
  // Some, such as combining marks, may not stand alone: a letter is put before.
  return domainToASCII(`a${character}`) !== ''
}

function hyphenFault(label: string): string | undefined {
  const isWrong = label.startsWith('-') || label.endsWith('-') || label.slice(2, 4) === '--'
  return isWrong ? label : undefined
}

function punycodeFault(label: string): string | undefined {
  // What is no punycode comes back empty or, from newer releases of Node, as it was.
  const unicode = domainToUnicode(label)
  const isPunycode = unicode !== label && domainToASCII(unicode) === label
  return isPunycode ? undefined : label.slice('xn--'.length)
}
