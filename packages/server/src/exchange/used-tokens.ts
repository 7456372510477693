import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import type { Registry } from '../registry/registry.ts'
import type { Cause, Store } from '../store/store.ts'
import { leewaySeconds } from './check-claims.ts'
import { ExchangeError } from './exchange-error.ts'

/** What the tokens that were exchanged are read from and written to. Several servers may share the store. */
export interface UsedTokenState {
  readonly registry: Pick<Registry, 'usedTokens'>
  readonly store: Pick<Store, 'commit'>
}

/** A token that is about to be exchanged. */
export interface TokenUse {
  readonly tokenHash: string
  /** `exp` of the token. */
  readonly expiresAtSeconds: number
  readonly cause: Cause
}

/** So many are remembered at most; then no token is taken until some have expired. */
export const maxUsedTokens = 100_000
/** Remembered this much longer than the token could be used, should the clock be set back. */
const marginSeconds = leewaySeconds + 600
const pruneBatch = 500

/**
 * Uses a token up: once this resolves, nobody can exchange it again, whether at the same time, after a restart, or at another server
 * over the same store.
 *
 * @throws {ExchangeError} `ERR_EXCHANGE_TOKEN_USED`, `ERR_EXCHANGE_NOT_STORED`
 */
export async function useToken(state: UsedTokenState, use: TokenUse): Promise<void> {
  const { tokenHash, expiresAtSeconds, cause } = use
  const { usedTokens } = state.registry
  if (usedTokens.find(tokenHash)) throw used()
  if (usedTokens.size >= maxUsedTokens) throw notStored('too many tokens have been exchanged')
  const value = { tokenHash, expiresAtSeconds: expiresAtSeconds + marginSeconds }
  const put = { op: 'put', kind: 'used-token', key: tokenHash, value, expect: 'absent' } as const
  let refusal: unknown
  try {
    ;[refusal] = await state.store.commit([{ cause, mutations: [put] }])
  } catch (error) {
    refusal = error
  }
  if (refusal === undefined) return
  throw isSpiffeError(refusal, 'ERR_RECORD_EXISTS') ? used() : notStored(messageOf(refusal))
}

/** Forgets the tokens that have expired for long enough; returns how many. */
export async function pruneUsedTokens(
  state: UsedTokenState,
  { nowSeconds, cause }: { readonly nowSeconds: number; readonly cause: Cause },
): Promise<number> {
  const expired = [...state.registry.usedTokens.values()].filter(
    ({ expiresAtSeconds }) => expiresAtSeconds < nowSeconds,
  )
  for (let start = 0; start < expired.length; start += pruneBatch) {
    const mutations = expired
      .slice(start, start + pruneBatch)
      .map(
        ({ tokenHash: key }) => ({ op: 'delete', kind: 'used-token', key, expect: 'any' }) as const,
      )
    await state.store.commit([{ cause, mutations }])
  }
  return expired.length
}

function used(): ExchangeError {
  return new ExchangeError('ERR_EXCHANGE_TOKEN_USED', 'the token has been exchanged before')
}

function notStored(reason: string): ExchangeError {
  const message = `the token could not be marked as used: ${reason}`
  return new ExchangeError('ERR_EXCHANGE_NOT_STORED', message)
}
