import { ImportError } from '../import-error.ts'

/**
 * A `connection_string` for PostgreSQL as URL: it is one already, or libpq's `key=value` words, in which quotes and
 * backslashes are as libpq has them.
 *
 * Like SPIRE's driver it asks for TLS unless `sslmode` says otherwise.
 *
 * @throws {ImportError} `ERR_IMPORT_SOURCE_UNREADABLE`; no part of the string is in the message, it may hold a password
 */
export function postgresUrl(connectionString: string): string {
  const url = /^postgres(ql)?:\/\//.test(connectionString)
    ? parseUrl(connectionString)
    : urlOfWords(readWords(connectionString))
  if (!url.searchParams.has('sslmode')) url.searchParams.set('sslmode', 'require')
  return url.href
}

function parseUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text)
  throw malformed('it is not a URL')
}

function urlOfWords(words: ReadonlyMap<string, string>): URL {
  const url = new URL('postgres:///')
  for (const [name, value] of words) {
    if (name === 'dbname') url.pathname = `/${encodeURIComponent(value)}`
    else url.searchParams.set(name, value)
  }
  return url
}

const word = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/y

function readWords(text: string): ReadonlyMap<string, string> {
  const words = new Map<string, string>()
  const reader = new RegExp(word)
  while (text.slice(reader.lastIndex).trim() !== '') {
    const [, name, quoted, bare] = reader.exec(text) ?? []
    if (name === undefined) throw malformed('expected key=value words or a postgres:// URL')
    words.set(name, (quoted ?? bare ?? '').replaceAll(/\\(.)/g, '$1'))
  }
  return words
}

function malformed(why: string): ImportError {
  const text = `malformed PostgreSQL connection_string: ${why}`
  return new ImportError('ERR_IMPORT_SOURCE_UNREADABLE', text)
}
