import type { SpiffeError } from '@mini-spire/sdk/errors'
import { expect, it } from 'vitest'
import { ApiError } from './api-error.ts'
import { GrpcError } from './grpc-error.ts'
import { errorText, statusText } from './status-text.ts'

it.each([
  [
    new ApiError('internal', 'keymanager(disk): no'),
    'rpc error: code = Internal desc = keymanager(disk): no',
  ],
  [
    new ApiError('invalid-argument', 'datastore-validation: no'),
    'rpc error: code = InvalidArgument desc = datastore-validation: no',
  ],
  [new Error('nodeattestor(x): no'), 'rpc error: code = Unknown desc = nodeattestor(x): no'],
  [new ApiError('internal', 'no'), 'no'],
  [new ApiError('internal', 'failed: keymanager(disk): no'), 'failed: keymanager(disk): no'],
  [
    new GrpcError({ statusCode: 5, statusMessage: 'notifier(x): no' }),
    'rpc error: code = NotFound desc = notifier(x): no',
  ],
  ['no', 'no'],
])('%o in a log line is as SPIRE’s', (error, text) => {
  expect(errorText(error)).toBe(text)
})

it('a refused call is a status whatever its text', () => {
  const refused: SpiffeError = new ApiError('permission-denied', 'authorization denied')
  expect(statusText(refused)).toBe('rpc error: code = PermissionDenied desc = authorization denied')
})
