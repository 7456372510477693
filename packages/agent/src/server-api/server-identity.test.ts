import { generateKeyPairSync } from 'node:crypto'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import { verifyServerChain } from './server-identity.ts'

const ca = TestCa.create('example.org')
const stranger = TestCa.create('example.org')
const now = new Date()
const roots = [ca.certificate.raw]
const name = 'spiffe://example.org/spire/server'
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const chainOf = (authority: TestCa, id: string, options = {}) =>
  authority.issueX509Svid(id, options).chain.map(({ raw }) => raw)
const leafOf = (options: object) => ca.issueChain({ publicKey, uris: [name], ...options })

describe('a chain is not our server', () => {
  it.each([
    ['when it is empty', 'x509svid: empty certificates chain', []],
    ['when it is no certificate', 'x509svid: ', [Buffer.of(0x30, 0)]],
    [
      'when another root signed it',
      'x509svid: could not verify leaf certificate: x509: certificate signed by unknown authority',
      chainOf(stranger, '/spire/server'),
    ],
    [
      'when it is an agent',
      'unexpected ID "spiffe://example.org/spire/agent/one"',
      chainOf(ca, '/spire/agent/one'),
    ],
    [
      'when it is another trust domain',
      'x509svid: could not get X509 bundle: ',
      chainOf(ca, 'spiffe://other.org/spire/server'),
    ],
    [
      'when it has another name beside the right one [gate 6]',
      'x509svid: certificate contains more than one URI SAN',
      leafOf({ uris: [name, 'spiffe://example.org/web'] }),
    ],
    [
      'when it may sign certificates itself [gate 6]',
      'x509svid: leaf certificate with CA flag set to true',
      leafOf({ isCa: true }),
    ],
    [
      'when its key is for signing certificates [gate 6]',
      'x509svid: leaf certificate with KeyCertSign key usage',
      leafOf({ keyUsage: ['digitalSignature', 'keyCertSign'] }),
    ],
    [
      'when it has expired',
      'x509svid: could not verify leaf certificate: x509: certificate has expired or is not yet valid',
      chainOf(ca, '/spire/server', {
        notAfter: new Date(now.getTime() - 1000),
        notBefore: new Date(now.getTime() - 5000),
      }),
    ],
  ])('%s', (_, message, chain) => {
    const trust = { trustDomain: ca.trustDomain, roots, now }
    const refusal = expect.objectContaining({
      code: 'ERR_SERVER_IDENTITY',
      message: expect.stringContaining(message),
    })
    expect(() => verifyServerChain(chain, trust)).toThrow(refusal)
  })

  it.each([
    ['is wrong', chainOf(stranger, '/web'), '[spiffe://example.org/web]'],
    ['is that of an authority', leafOf({ isCa: true }), `[${name}]`],
  ])('and a name that %s is refused in an insecure bootstrap too', (_, chain, got) => {
    const trust = { trustDomain: ca.trustDomain, roots: undefined, now }
    expect(() => verifyServerChain(chain, trust)).toThrow(
      `expected server SPIFFE ID "${name}"; got "${got}"`,
    )
    verifyServerChain(chainOf(stranger, '/spire/server'), trust)
  })

  it('unless it leads to a root of ours and bears the name', () => {
    const chain = chainOf(ca.createIntermediate(), '/spire/server')
    verifyServerChain(chain, { trustDomain: ca.trustDomain, roots, now })
  })
})
