import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { expect, it } from 'vitest'
import { RecordingLog } from '../ca/ca.test-kit.ts'
import { logFailure } from './log-failures.ts'

const cause = new Error('no such thing')

it.each([
  [
    new ApiError('invalid-argument', 'CSR URI SAN is invalid: no such thing', { cause }),
    'Invalid argument: CSR URI SAN is invalid',
    { error: 'no such thing' },
  ],
  [
    new ApiError('internal', 'failed to sign X509-SVID: no such thing', { cause }),
    'Failed to sign X509-SVID',
    { error: 'no such thing' },
  ],
  [new ApiError('not-found', 'agent not found', { cause }), 'Agent not found', {}],
  [new ApiError('internal', 'no cause'), 'No cause', {}],
])('what failed is the message, why is a field: %s', (error, message, fields) => {
  const log = new RecordingLog()
  logFailure(log, error)
  expect(log.lines).toEqual([{ message, fields }])
})

it('what nobody expected is not its to log', () => {
  const log = new RecordingLog()
  logFailure(log, new Error('bug'))
  expect(log.lines).toEqual([])
})
