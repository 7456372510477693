import { describe, expect, it } from 'vitest'
import { cpuMsOf } from '../cpu-time.test-kit.ts'
import { domainProblem, HostAllowlist, splitHost } from './host-allowlist.ts'

const allowlist = new HostAllowlist(['example.test', 'xn--bcher-kva.test', '127.0.0.1'])

describe('the hosts under which something is served', () => {
  it.each([
    'example.test',
    'example.test:443',
    'example.test:',
    'xn--bcher-kva.test',
    '127.0.0.1:8080',
  ])('allow %s', (host) => {
    expect(allowlist.problemOf(host)).toBeUndefined()
  })

  // The texts are those of SPIRE's provider, for all but the port that is none.
  it.each([
    ['', 'domain "" is not allowed'],
    ['evil.test', 'domain "evil.test" is not allowed'],
    ['sub.example.test', 'domain "sub.example.test" is not allowed'],
    ['example.test.', 'domain "example.test." is not allowed'],
    ['example.test.evil.test', 'domain "example.test.evil.test" is not allowed'],
    ['a..test', 'domain "a..test" is not allowed'],
    ['EXAMPLE.test', 'domain "EXAMPLE.test" must already be punycode encoded'],
    ['bücher.test', 'domain "bücher.test" must already be punycode encoded'],
    ['a_b.test', 'domain "a_b.test" is not a valid domain name: idna: disallowed rune U+005F'],
    ['[::1]:80', 'domain "::1" is not a valid domain name: idna: disallowed rune U+003A'],
    ['[::1]', 'domain "[::1]" is not a valid domain name: idna: disallowed rune U+005B'],
    [
      'example.test:80:80',
      'domain "example.test:80:80" is not a valid domain name: idna: disallowed rune U+003A',
    ],
    [
      'example.test, evil.test',
      'domain "example.test, evil.test" is not a valid domain name: idna: disallowed rune U+002C',
    ],
    ['-a.test', 'domain "-a.test" is not a valid domain name: idna: invalid label "-a"'],
    ['a-.test', 'domain "a-.test" is not a valid domain name: idna: invalid label "a-"'],
    ['ab--c.test', 'domain "ab--c.test" is not a valid domain name: idna: invalid label "ab--c"'],
    [
      'xn--zzzz9999999.test',
      'domain "xn--zzzz9999999.test" is not a valid domain name: idna: invalid label "zzzz9999999"',
    ],
    ['\u202eexample.test', expect.stringContaining('idna: disallowed rune U+202E')],
    ['example.test:x@evil.test', 'host "example.test:x@evil.test" has no valid port'],
    ['example.test:443/evil', 'host "example.test:443/evil" has no valid port'],
    ['example.test:999999', 'host "example.test:999999" has no valid port'],
    ['example.test:-1', 'host "example.test:-1" has no valid port'],
  ])('do not allow %j', (host, problem) => {
    expect(allowlist.problemOf(host)).toEqual(problem)
  })

  it('are read like Go reads hosts and ports', () => {
    expect(splitHost('[::1]:8443')).toEqual({ domain: '::1', port: '8443' })
    expect(splitHost('a:')).toEqual({ domain: 'a', port: '' })
    expect(splitHost('a')).toEqual({ domain: 'a', port: undefined })
    expect(splitHost('[a:b')).toEqual({ domain: '[a:b', port: undefined })
  })

  it('are judged quickly, however long they are', async () => {
    const cpuMs = await cpuMsOf(() => {
      for (const label of ['a-', 'xn--', '\u0301', 'é']) domainProblem(label.repeat(4_000))
    })
    expect(cpuMs).toBeLessThan(2_000)
  })
})
