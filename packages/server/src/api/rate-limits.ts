import type { ServerCall } from '../authorization/caller.ts'

/**
 * Makes a call wait for its share of what its address may ask for. Which share that is, and the words of a refusal, follow
 * from the method.
 *
 * @throws {ApiError} for a count that no share can hold, or when the caller has gone
 */
export type RateLimit = (call: ServerCall, count: number) => Promise<void>
