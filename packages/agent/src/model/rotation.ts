/** Below this much room between lifetime and availability target, only the half-life rule applies. */
const graceMs = 12 * 3_600_000
/** Renewals for an availability target are spread over this time. */
const targetJitterMs = 600_000

/** When an SVID was valid from and until. */
export interface Validity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** Options of {@link RotationRule}. */
export interface RotationRuleOptions {
  /** For how long an SVID must be good when the server is away; undefined: half its life. */
  readonly availabilityTargetMs: number | undefined
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
}

/**
 * When SVIDs are renewed: at half their life, give or take a tenth, so that a crowd does not renew at once; and earlier when
 * an availability target asks for it and their life is long enough.
 */
export class RotationRule {
  readonly #target: number | undefined
  readonly #chance: () => number

  constructor(options: RotationRuleOptions) {
    this.#target = options.availabilityTargetMs
    this.#chance = options.chance
  }

  /** Whether an X509-SVID is due. */
  isX509Due(validity: Validity, nowMs: number): boolean {
    const leftMs = validity.notAfterMs - nowMs
    const target = this.#target
    if (target !== undefined && !this.isTooShort(validity)) {
      if (leftMs <= target + this.#chance() * targetJitterMs) return true
    }
    return this.isPastHalf(validity, nowMs)
  }

  /** Whether it is past its half-life, the only rule for JWT-SVIDs. */
  isPastHalf({ notBeforeMs, notAfterMs }: Validity, nowMs: number): boolean {
    const leftMs = notAfterMs - nowMs
    return leftMs <= (notAfterMs - notBeforeMs) * (0.45 + 0.1 * this.#chance())
  }

  /** Whether a life is too short for the availability target, which then is not kept. */
  isTooShort({ notBeforeMs, notAfterMs }: Validity): boolean {
    return this.#target !== undefined && notAfterMs - notBeforeMs - this.#target <= graceMs
  }
}
