import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { exchangeId } from '../model/exchange-id.ts'
import { parseAgentId } from './agent-id.ts'

const refused = expect.objectContaining({ code: 'ERR_AGENT_ID_REFUSED' })

describe('the ID of an agent', () => {
  it.each(['/spire/exchange/ci', '/spire/exchange', '/spire/exchange/ci/more', '/spire/server'])(
    'is not %s',
    (path) => {
      expect(() => parseAgentId(`spiffe://example.org${path}`)).toThrow(refused)
    },
  )

  it('is never what stands for an issuer of tokens', () => {
    const id = exchangeId(TrustDomain.parse('example.org'), 'github')
    expect(String(id)).toBe('spiffe://example.org/spire/exchange/github')
    expect(() => parseAgentId(String(id))).toThrow(refused)
  })

  it.each(['/spire/agent/x', '/spire/exchanged/ci', '/spire', '/host'])('may be %s', (path) => {
    expect(parseAgentId(`spiffe://example.org${path}`).path).toBe(path)
  })
})
