import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { expect, it } from 'vitest'
import { RecordingLog } from '../../ca/ca.test-kit.ts'
import { logSigned, logSignedCa, logSignedJwt } from './log-signed.ts'

const spiffeId = SpiffeId.parse('spiffe://example.org/w')
const expiresAtSeconds = 1_772_452_800
const expiration = '2026-03-02T12:00:00Z'

it('what was signed is told of at level debug, with its end, and never itself', () => {
  const log = new RecordingLog()
  const svid = { chain: [], spiffeId, expiresAtSeconds, serialNumber: '7' }
  logSigned(log, svid, { entry_id: 'x' })
  const jwt = { token: 'secret', spiffeId, expiresAtSeconds, issuedAtSeconds: 0 }
  logSignedJwt(log, ['a', 'b'], jwt)
  logSignedCa(log, 'spiffe://example.org', { chain: [], expiresAtSeconds })
  expect(log.lines).toEqual([])
  expect(log.debugLines).toEqual([
    { message: 'Signed X509 SVID', fields: { entry_id: 'x', expiration, serial_num: '7' } },
    {
      message: 'Server CA successfully signed JWT SVID',
      fields: { audience: '[a b]', expiration },
    },
    { message: 'Signed X509 CA SVID', fields: { spiffe_id: 'spiffe://example.org', expiration } },
  ])
})
