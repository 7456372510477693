import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'
import { quoteGo } from './go-quote.ts'

/** What Go's `net/url` finds in a URL, as far as it matters to who asks where it leads. */
export interface GoUrl {
  /** In lower case; empty without one. */
  readonly scheme: string
  /** Host and port as written; empty without one. */
  readonly host: string
  readonly hasUserInfo: boolean
  /** The URL as Go prints it again. */
  readonly text: string
}

export type GoUrlErrorCode = 'ERR_URL_MALFORMED'

/** A URL that Go's `net/url` refuses; the message is Go's. */
export class GoUrlError extends SpiffeError<GoUrlErrorCode> {
  override get kind(): ErrorKind {
    return 'invalid-argument'
  }
}

const badEscape = /%(?![0-9A-Fa-f]{2}).{0,2}/u
// A host may escape what is beyond ASCII, and the percent sign of a zone.
const badHostEscape = /%(?!25)[0-7][0-9A-Fa-f]/
const printedEscaped = /[^\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]/gu
const userInfo = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/
// What Go takes in a host without escaping; others above ASCII are taken too.
const hostCharacter = /[^A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"%\u{80}-\u{10ffff}]/u

/**
 * Reads a URL as Go's `url.Parse` does: laxer than the URL standard, so that what SPIRE takes is taken and what it refuses is
 * refused in its words.
 *
 * @throws {GoUrlError} `parse "…": …`
 */
export function parseGoUrl(text: string): GoUrl {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof GoUrlError)) throw error
    throw malformed(`parse ${quoteGo(text)}: ${error.message}`)
  }
}

function parse(text: string): GoUrl {
  const [beforeFragment, fragment] = cut(text, '#')
  if (hasControlCharacter(beforeFragment)) {
    throw malformed('net/url: invalid control character in URL')
  }
  const { scheme, rest } = splitScheme(beforeFragment)
  const [hierarchy] = cut(rest, '?')
  checkEscapes(fragment)
  const whole = print(scheme, rest, fragment)
  if (!hierarchy.startsWith('//')) {
    if (scheme === '' && !hierarchy.startsWith('/')) checkFirstSegment(hierarchy)
    if (scheme === '' || hierarchy.startsWith('/')) checkEscapes(hierarchy)
    return { scheme, host: '', hasUserInfo: false, text: whole }
  }
  const slash = hierarchy.indexOf('/', 2)
  const authority = slash < 0 ? hierarchy.slice(2) : hierarchy.slice(2, slash)
  if (slash >= 0) checkEscapes(hierarchy.slice(slash))
  const at = authority.lastIndexOf('@')
  if (at >= 0 && !userInfo.test(authority.slice(0, at))) {
    throw malformed('net/url: invalid userinfo')
  }
  const host = authority.slice(at + 1)
  checkHost(host)
  return { scheme, host, hasUserInfo: at >= 0, text: whole }
}

function print(scheme: string, rest: string, fragment: string): string {
  const query = rest.indexOf('?')
  const hierarchy = query < 0 ? rest : rest.slice(0, query)
  const head = hierarchy.replaceAll(printedEscaped, encodeURIComponent)
  const tail = query < 0 ? '' : rest.slice(query)
  const end = fragment === '' ? '' : `#${fragment.replaceAll(printedEscaped, encodeURIComponent)}`
  return `${scheme === '' ? '' : `${scheme}:`}${head}${tail}${end}`
}

function cut(text: string, separator: string): readonly [before: string, after: string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

function splitScheme(text: string): { readonly scheme: string; readonly rest: string } {
  if (text.startsWith(':')) throw malformed('missing protocol scheme')
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)
  const name = match?.[1]
  if (name === undefined) return { scheme: '', rest: text }
  return { scheme: name.toLowerCase(), rest: text.slice(name.length + 1) }
}

function checkFirstSegment(path: string): void {
  const [segment] = cut(path, '/')
  if (segment.includes(':')) {
    throw malformed('first path segment in URL cannot contain colon')
  }
}

function checkHost(host: string): void {
  let afterHost = host.slice(Math.max(host.lastIndexOf(':'), 0))
  if (!afterHost.startsWith(':')) afterHost = ''
  if (host.startsWith('[')) {
    const end = host.lastIndexOf(']')
    if (end < 0) throw malformed("missing ']' in host")
    afterHost = host.slice(end + 1)
  }
  if (!/^(?::[0-9]*)?$/.test(afterHost)) {
    throw malformed(`invalid port ${quoteGo(afterHost)} after host`)
  }
  checkEscapes(host)
  const ascii = badHostEscape.exec(host)
  if (ascii) throw malformed(`invalid URL escape ${quoteGo(ascii[0])}`)
  const wrong = hostCharacter.exec(host)
  if (wrong) throw malformed(`invalid character ${quoteGo(wrong[0])} in host name`)
}

function checkEscapes(text: string): void {
  const wrong = badEscape.exec(text)
  if (wrong) throw malformed(`invalid URL escape ${quoteGo(wrong[0])}`)
}

function malformed(message: string): GoUrlError {
  return new GoUrlError('ERR_URL_MALFORMED', message)
}
