import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { Registry } from '../registry/registry.ts'
import type { Cause, Mutation, Store, Transaction } from '../store/store.ts'

/** What the relationships with other trust domains, and their bundles, are read from and written to. */
export interface FederationState {
  readonly registry: Pick<Registry, 'bundles' | 'relationships'>
  readonly store: Pick<Store, 'commit'>
}

/** How often a change is tried anew because another one came first. Each round somebody has succeeded. */
const maxAttempts = 100

/**
 * Commits mutations together, if the condition holds then. Resolves to what refused them, undefined when they were committed.
 */
export async function commit(
  state: Pick<FederationState, 'store'>,
  cause: Cause,
  mutations: readonly Mutation[],
  condition: Pick<Transaction, 'holds'> = {},
): Promise<unknown> {
  try {
    const [error] = await state.store.commit([{ cause, mutations, ...condition }])
    return error
  } catch (error) {
    return error
  }
}

/** Tries a read-modify-write again while others are faster. @throws what `failed` makes of any other refusal */
export async function withRetries<Result>(
  attempt: () => Promise<{ readonly error: unknown; readonly result: Result }>,
  failed: (error: unknown) => Error,
): Promise<Result> {
  for (let count = 1; ; count++) {
    const { error, result } = await attempt()
    if (error === undefined) return result
    const isLostRace =
      isSpiffeError(error, 'ERR_RECORD_CHANGED') || isSpiffeError(error, 'ERR_RECORD_NOT_FOUND')
    if (!isLostRace || count === maxAttempts) throw failed(error)
  }
}
