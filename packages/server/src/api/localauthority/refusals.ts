import type { Logger } from '@mini-spire/runtime/log/logger'
import { CaError } from '../../ca/ca-error.ts'
import { callFailure } from '../failure.ts'

/** What is said before the reason of a refusal. */
export interface RefusalTexts {
  /** Of an operation that failed. */
  readonly failed?: string
  /** Of an ID that may not be used for it; without a text the reason stands alone. */
  readonly invalid?: string
}

/**
 * Does what an operator asked for. What is refused becomes the call's failure: an authority in the wrong state with its own
 * words, everything else with what failed before the reason.
 *
 * @throws {ApiError}
 */
export async function attempt<Result>(
  { log }: { readonly log: Logger },
  { failed, invalid }: RefusalTexts,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CaError && isAnswer(error)) {
      if (error.kind === 'invalid-argument' && invalid !== undefined)
        throw callFailure(log, error.kind, invalid, error)
      throw callFailure(log, error.kind, error.message, error.cause)
    }
    if (failed === undefined) throw error
    throw callFailure(log, 'internal', failed, error)
  }
}

/** Whether an error says in what state authorities or server are, rather than that something broke on the way. */
function isAnswer({ code }: CaError): boolean {
  switch (code) {
    case 'ERR_SERVER_INITIALIZING':
    case 'ERR_JWT_DISABLED':
    case 'ERR_AUTHORITY_ID_MISSING':
    case 'ERR_AUTHORITY_CURRENT':
    case 'ERR_AUTHORITY_NOT_OLD':
    case 'ERR_AUTHORITY_UNEXPECTED':
    case 'ERR_AUTHORITY_UNKNOWN':
    case 'ERR_AUTHORITY_STATUS':
    case 'ERR_UPSTREAM_AUTHORITY':
    case 'ERR_NO_UPSTREAM_AUTHORITY':
      return true
    default:
      return false
  }
}
