/** A certificate is looked at again after this share of what is left of it at the latest. */
const shareOfRest = 4
const minIntervalMs = 1_000

/**
 * How long to wait before it is looked again whether a certificate is due: the usual time, but less when the certificate would
 * end meanwhile or soon after. One that was signed shortly before its authority ends is good for seconds, and one slow look would
 * outlast it.
 *
 * @param usualMs milliseconds
 * @param leftMs milliseconds until the certificate ends, negative when it has
 * @returns milliseconds; a second at least, unless the usual time is shorter
 */
export function untilNextLook(usualMs: number, leftMs: number): number {
  return Math.min(usualMs, Math.max(minIntervalMs, leftMs / shareOfRest))
}
