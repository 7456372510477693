import { describe, expect, it } from 'vitest'
import { headerField } from './hpack/header-field.ts'
import { areTrailers, RequestHeaders } from './request-headers.ts'

type Line = readonly [name: string, value: string]
const request: readonly Line[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a'],
]

function parse(...lines: readonly Line[]): RequestHeaders | undefined {
  return RequestHeaders.parse(lines.map(([name, value]) => headerField(name, value)))
}

describe('a request', () => {
  it('gives what it says, in the order in which it says it', () => {
    const headers = parse(...request, ['a', '1'], ['b', '2'], ['a', '3'], ['content-length', '12'])
    expect([headers?.path, headers?.contentLength]).toEqual(['/a', 12])
    expect([headers?.values('a'), headers?.first('a')]).toEqual([['1', '3'], '1'])
    expect([headers?.values('c'), headers?.first('c')]).toEqual([[], undefined])
  })

  it.each(['/run/api.sock', 'localhost', '[::1]:80', '%2Frun', 'a@b', ''])(
    'may have %j as its authority, as clients of Unix sockets do',
    (authority) => {
      expect(parse(...request, [':authority', authority])?.values(':authority')).toEqual([
        authority,
      ])
    },
  )

  it.each<[string, readonly Line[]]>([
    ['no :method [RFC 9113 8.3.1]', request.slice(1)],
    ['no :scheme [RFC 9113 8.3.1]', [...request.slice(0, 1), ...request.slice(2)]],
    ['no :path [RFC 9113 8.3.1]', request.slice(0, 2)],
    ['an empty :path [RFC 9113 8.3.1]', [...request.slice(0, 2), [':path', '']]],
    ['a pseudo-header field twice [RFC 9113 8.3.1]', [...request, [':path', '/b']]],
    ['one of a response [RFC 9113 8.3]', [...request, [':status', '200']]],
    ['one that nobody knows [RFC 9113 8.3]', [...request, [':protocol', 'x']]],
    ['one after a regular field [RFC 9113 8.3]', [['a', 'b'], ...request]],
    ['a name in upper case [RFC 9113 8.2.1]', [...request, ['A', 'b']]],
    ['a name with a space [RFC 9113 8.2.1]', [...request, ['a b', 'c']]],
    ['a name beyond ASCII [RFC 9113 8.2.1]', [...request, ['\xe4', 'c']]],
    ['no name at all [RFC 9113 8.2.1]', [...request, ['', 'c']]],
    ['a value with a line feed [RFC 9113 8.2.1]', [...request, ['a', 'b\nc']]],
    ['a value with a carriage return [RFC 9113 8.2.1]', [...request, ['a', 'b\rc']]],
    ['a value with a zero byte [RFC 9113 8.2.1]', [...request, ['a', 'b\0c']]],
    ['a value that begins with a space [RFC 9113 8.2.1]', [...request, ['a', ' b']]],
    ['a value that ends with a tab [RFC 9113 8.2.1]', [...request, ['a', 'b\t']]],
    ['such a path [RFC 9113 8.2.1]', [...request.slice(0, 2), [':path', '/\n']]],
    ['Connection [RFC 9113 8.2.2]', [...request, ['connection', 'close']]],
    ['Keep-Alive [RFC 9113 8.2.2]', [...request, ['keep-alive', 'x']]],
    ['Proxy-Connection [RFC 9113 8.2.2]', [...request, ['proxy-connection', 'x']]],
    ['Transfer-Encoding [RFC 9113 8.2.2]', [...request, ['transfer-encoding', 'chunked']]],
    ['Upgrade [RFC 9113 8.2.2]', [...request, ['upgrade', 'h2c']]],
    ['another TE than trailers [RFC 9113 8.2.2]', [...request, ['te', 'gzip']]],
    ['a length that is none [RFC 9113 8.1.1]', [...request, ['content-length', '-1']]],
    ['an endless length [RFC 9113 8.1.1]', [...request, ['content-length', '9'.repeat(30)]]],
    [
      'two lengths [RFC 9113 8.1.1]',
      [...request, ['content-length', '1'], ['content-length', '2']],
    ],
  ])('with %s is malformed', (_what, lines) => {
    expect(parse(...lines)).toBeUndefined()
  })

  it('may have trailers, but no pseudo-header field in them [RFC 9113 8.1]', () => {
    expect(areTrailers([headerField('a', 'b')])).toBe(true)
    expect(areTrailers([headerField('a', 'b'), headerField(':path', '/')])).toBe(false)
    expect(areTrailers([headerField('A', 'b')])).toBe(false)
  })
})
