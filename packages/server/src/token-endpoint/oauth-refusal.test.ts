import { describe, expect, it } from 'vitest'
import { StoreError } from '../store/store-error.ts'
import { oauthRefusal } from './oauth-refusal.ts'
import { TokenRequestError, type TokenRequestErrorCode } from './token-request-error.ts'

describe('a request that is none', () => {
  it.each<readonly [TokenRequestErrorCode, number, string]>([
    ['ERR_TOKEN_REQUEST_MALFORMED', 400, 'invalid_request'],
    ['ERR_TOKEN_REQUEST_METHOD', 405, 'invalid_request'],
    ['ERR_TOKEN_REQUEST_NOT_FOUND', 404, 'invalid_request'],
    ['ERR_TOKEN_REQUEST_TOO_LARGE', 413, 'invalid_request'],
    ['ERR_TOKEN_REQUEST_GRANT_TYPE', 400, 'unsupported_grant_type'],
    ['ERR_TOKEN_REQUEST_TARGET', 400, 'invalid_target'],
    ['ERR_TOKEN_REQUEST_SCOPE', 400, 'invalid_scope'],
  ])('as %s is answered with %i %s, and told why [RFC 6749 5.2]', (code, status, error) => {
    const refusal = oauthRefusal(new TokenRequestError(code, 'why'))
    expect(refusal).toEqual({ status, error, description: 'why' })
  })
})

describe('a failure of another part', () => {
  it.each([new StoreError('ERR_STORE_UNAVAILABLE', 'disk at /x'), new Error('at /x'), 'at /x'])(
    'is told as that, and nothing of it',
    (error) => {
      expect(oauthRefusal(error)).toEqual({
        status: 500,
        error: 'server_error',
        description: 'the server cannot issue now',
      })
    },
  )
})
