import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import { verifyServerChain } from './server-identity.ts'

const ca = TestCa.create('example.org')
const stranger = TestCa.create('example.org')
const now = new Date()
const roots = [ca.certificate.raw]
const chainOf = (authority: TestCa, id: string, options = {}) =>
  authority.issueX509Svid(id, options).chain.map(({ raw }) => raw)

describe('a chain is not our server', () => {
  it.each([
    ['when it is empty', 'ERR_SERVER_IDENTITY', []],
    [
      'when another root signed it',
      'ERR_CERTIFICATE_UNTRUSTED',
      chainOf(stranger, '/spire/server'),
    ],
    ['when it is an agent', 'ERR_SERVER_IDENTITY', chainOf(ca, '/spire/agent/one')],
    [
      'when it is another trust domain',
      'ERR_SERVER_IDENTITY',
      chainOf(ca, 'spiffe://other.org/spire/server'),
    ],
    [
      'when it has expired',
      'ERR_CERTIFICATE_EXPIRED',
      chainOf(ca, '/spire/server', {
        notAfter: new Date(now.getTime() - 1000),
        notBefore: new Date(now.getTime() - 5000),
      }),
    ],
  ])('%s', (_, code, chain) => {
    const trust = { trustDomain: ca.trustDomain, roots, now }
    expect(() => verifyServerChain(chain, trust)).toThrow(expect.objectContaining({ code }))
  })

  it('and a name that is wrong is refused in an insecure bootstrap too', () => {
    const trust = { trustDomain: ca.trustDomain, roots: undefined, now }
    expect(() => verifyServerChain(chainOf(stranger, '/web'), trust)).toThrow(
      'expected server SPIFFE ID "spiffe://example.org/spire/server"; got "[spiffe://example.org/web]"',
    )
    verifyServerChain(chainOf(stranger, '/spire/server'), trust)
  })

  it('unless it leads to a root of ours and bears the name', () => {
    const chain = chainOf(ca.createIntermediate(), '/spire/server')
    verifyServerChain(chain, { trustDomain: ca.trustDomain, roots, now })
  })
})
