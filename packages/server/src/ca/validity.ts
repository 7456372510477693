import { CaError } from './ca-error.ts'

/** How far before now a certificate's life begins: clocks differ. Tokens have none. */
const backdateSeconds = 10

/** From when until when something is valid, in whole seconds. */
export interface Validity {
  readonly notBeforeSeconds: number
  readonly notAfterSeconds: number
}

/** The validity of what is signed now: whole seconds, backdated, and never past the cap. */
export function validityFrom(nowMs: number, ttlSeconds: number, capSeconds: number): Validity {
  const nowSeconds = nowMs / 1000
  return {
    notBeforeSeconds: Math.floor(nowSeconds - backdateSeconds),
    notAfterSeconds: Math.min(Math.floor(nowSeconds + ttlSeconds), capSeconds),
  }
}

/**
 * Refuses a certificate that would be expired when it is handed out: its authority is at its end.
 *
 * @throws {CaError} `ERR_CERTIFICATE_INVALID`
 */
export function checkNotExpired(notAfterSeconds: number, nowMs: number, what: string): void {
  if (nowMs > notAfterSeconds * 1000)
    throw new CaError(
      'ERR_CERTIFICATE_INVALID',
      `invalid ${what}: already expired as of ${instantText(notAfterSeconds)}`,
    )
}

/** An instant as messages write it: `2026-11-24T17:00:00Z`. */
export function instantText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
