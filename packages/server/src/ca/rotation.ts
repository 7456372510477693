const dayMs = 24 * 60 * 60 * 1000
const maxPreparationLeadMs = 30 * dayMs
const maxActivationLeadMs = 7 * dayMs

/** When an authority was prepared and when it ends; what its thresholds are computed from. */
export interface AuthorityLife {
  readonly issuedAtMs: number
  readonly notAfterMs: number
}

/** From when on the next authority is prepared: half of this one's life before its end, 30 days at most. */
export function preparationThresholdMs({ issuedAtMs, notAfterMs }: AuthorityLife): number {
  return notAfterMs - Math.min((notAfterMs - issuedAtMs) / 2, maxPreparationLeadMs)
}

/** From when on the next authority signs: a sixth of this one's life before its end, 7 days at most. */
export function activationThresholdMs({ issuedAtMs, notAfterMs }: AuthorityLife): number {
  return notAfterMs - Math.min((notAfterMs - issuedAtMs) / 6, maxActivationLeadMs)
}

/**
 * How long an SVID surely lives when it is signed at the worst moment, just before its authority is replaced. Longer TTLs are
 * configured in vain now and then: a warning at start.
 */
export function guaranteedTtlSeconds(caTtlSeconds: number): number {
  return Math.min(caTtlSeconds / 6, maxActivationLeadMs / 1000)
}
