import { describe, expect, it } from 'vitest'
import { normalise } from './normalise.ts'

const nowMs = Date.parse('2026-11-24T12:00:00Z')
const of = (text: string): string => normalise(text, { scene: '/tmp/x-1', port: '8443' }, nowMs)

describe('the normaliser', () => {
  it.each([
    ['open /tmp/x-1/a: no such file', 'open <scene>/a: no such file'],
    ['dial tcp 127.0.0.1:8443', 'dial tcp 127.0.0.1:<port>'],
    ['Token: 0a1b2c3d-0000-4000-8000-00aabbccddee', 'Token: <uuid>'],
    [
      '-----BEGIN CERTIFICATE-----\nMIIB\nAA==\n-----END CERTIFICATE-----\n',
      '-----BEGIN CERTIFICATE-----\n<pem>\n-----END CERTIFICATE-----\n',
    ],
    ['token(x):\n\teyJhbGciOiJFUzI1NiJ9.eyJh.c2ln', 'token(x):\n\t<jwt>'],
    [`"asn1":"${'Ab+/'.repeat(20)}=="`, '"asn1":"<base64>"'],
    ['Serial number     : 227834567890123456789012345678901', 'Serial number     : <serial>'],
    [`Authority ID: ${'0f'.repeat(20)}`, 'Authority ID: <key identifier>'],
    ['"key_id":"R9W6aaaaaaaaaaaaaaaaaaaaaaaaaaaa"', '"key_id":"<key id>"'],
    [`"x": "${'a-_9'.repeat(10)}abc"`, '"x": "<coordinate>"'],
    ['Expires at: 2026-11-25 01:50:27 +0000 UTC', 'Expires at: <time> +0000 UTC'],
    ['expires "2026-11-24T01:50:27Z"', 'expires "<time>"'],
    ['"expires_at":"1795399271"', '"expires_at":"<seconds>"'],
    ['Received 1 svid after 3.141592ms', 'Received 1 svid after <duration>'],
    ['Received 2 svids after 120.5µs', 'Received 2 svids after <duration>'],
    ['  Uptime:                  1h3m34s', '  Uptime:                  <duration>'],
    ['"uptime":43}', '"uptime":<seconds>}'],
    ['Agent version     : 1.15.3+mini-spire.0.1.0', 'Agent version     : <version>'],
    ['Agent version     : 1.15.3', 'Agent version     : <version>'],
  ])('replaces what differs from run to run: %j', (text, expected) => {
    expect(of(text)).toBe(expected)
  })

  it.each([
    'Error: a SPIFFE ID is required',
    'Expiration time         : 2030-03-17 17:46:40 +0000 UTC',
    'Expires at: 1970-01-01 00:00:00 +0000 UTC',
    '"expires_at":"1900000000"',
    '"expires_at":"0","revision_number":"12"',
    '  -timeout value\n    \tTime to wait for a response (default 5s)',
    'Found 2 attested agents:',
    'spiffe://example.org/spire/agent/join_token/the-token',
    '-----BEGIN CERTIFICATE-----\n',
    'version 1.15.4',
  ])('leaves alone what must be the same: %j', (text) => {
    expect(of(text)).toBe(text)
  })

  it('leaves times alone when none comes from the run', () => {
    expect(normalise('2026-11-24 12:00:00 +0000 UTC 1795399271', {})).toBe(
      '2026-11-24 12:00:00 +0000 UTC 1795399271',
    )
  })

  it('leaves no trace of how long a key or a token was, but of how many there are', () => {
    const block = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
    expect(of(block + block).split('<pem>')).toHaveLength(3)
  })
})
