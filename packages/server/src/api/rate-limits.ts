import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import type { ServerCall } from '../authorization/caller.ts'

/**
 * Makes a call wait for its share of what its address may ask for. Which share that is follows from the method.
 *
 * @throws {SpiffeError} for a count that no share can hold, or when the caller has gone
 */
export type RateLimit = (call: ServerCall, count: number) => Promise<void>

/** Waits, and puts the method's own words before a refusal. */
export async function passRateLimit(
  limit: RateLimit,
  call: ServerCall,
  count: number,
  refusal: string,
): Promise<void> {
  try {
    await limit(call, count)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new ApiError(cause.kind, `${refusal}: ${messageOf(cause)}`, { cause })
  }
}
