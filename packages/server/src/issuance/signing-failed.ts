import { messageOf } from '@mini-spire/sdk/errors'
import { IssuanceError } from './issuance-error.ts'

/** The error of a signature that did not come about, with the text that callers know before the reason. */
export function signingFailed(failure: string, error: unknown): IssuanceError {
  return new IssuanceError('ERR_SIGNING_FAILED', `${failure}: ${messageOf(error)}`, {
    cause: error,
  })
}

/** Signs, and turns whatever goes wrong into an {@link IssuanceError} with this text. */
export async function explained<Result>(
  failure: string,
  sign: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await sign()
  } catch (error) {
    throw signingFailed(failure, error)
  }
}
