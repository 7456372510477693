import { describe, expect, it } from 'vitest'
import { checkDnsName, checkWildcardOverlap, DnsNameError } from './dns-name.ts'

const label = 'a'.repeat(63)
const name253 = `${label}.${label}.${label}.${'a'.repeat(61)}`
const invalid = (quoted: string): string => `idna error\nidna: invalid label "${quoted}"`

describe('a DNS name', () => {
  it.each([
    ['ümlaut.test', 'name must be ascii'],
    ['*.*.test', 'too many wildcards'],
    ['a.*.test', 'wildcard must be first label'],
    ['*', 'wildcard must be first label'],
    ['*a.test', 'wildcard must be first label'],
    ['*.', 'empty or only whitespace'],
    ['', 'empty or only whitespace'],
    ['  ', 'empty or only whitespace'],
    ['a.', 'domain ends with dot'],
    ['*.a.', 'domain ends with dot'],
    ['-a', invalid('-a')],
    ['b.a-', invalid('a-')],
    ['ab--c.test', invalid('ab--c')],
    ['XN--n38h.test', invalid('XN--n38h')],
    ['xn--.test', invalid('')],
    ['xn--99999999.test', invalid('99999999')],
    ['a..b', invalid('a..b')],
    ['.a', invalid('.a')],
    [`a.${label}a`, invalid(`${label}a`)],
    [`${name253}a`, invalid(`${name253}a`)],
    [
      'xn--N38H.test',
      'input domain name "xn--N38H.test" does not match idna output "xn--n38h.test": label mismatch after idna',
    ],
  ])('%j is refused: %s', (name, message) => {
    expect(() => checkDnsName(name)).toThrow(new DnsNameError('ERR_DNS_NAME_REFUSED', message))
  })

  it.each([
    'a',
    'db.example.org',
    '*.a',
    '10.0.0.1',
    'xn--n38h.test',
    'UPPER.Case',
    'a_b@c!d/e f',
    ' a ',
    label,
    name253,
  ])('%j passes unchanged, as with SPIRE', (name) => {
    expect(() => checkDnsName(name)).not.toThrow()
  })

  it('that a wildcard of the same list covers is refused', () => {
    expect(() => checkWildcardOverlap(['a.x', 'b.y', '*.y'])).toThrow(
      new DnsNameError(
        'ERR_DNS_NAMES_OVERLAP',
        'name "b.y" overlaps with an existing wildcard name in the list: wildcard overlap',
      ),
    )
    expect(() => checkWildcardOverlap(['a.b.y', '*.y', 'y', 'a.x', '*.y'])).not.toThrow()
  })
})
