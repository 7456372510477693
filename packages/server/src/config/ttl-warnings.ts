import { formatGoDuration } from '@mini-spire/runtime/config/go-duration'
import type { Logger } from '@mini-spire/runtime/log/logger'

/** An authority is replaced a sixth of its life before its end, or seven days, whichever is shorter. */
const divisor = 6
const longestSvidTtlMs = 7 * 24 * 3_600_000

/** Lifetimes that depend on each other. */
export interface Ttls {
  readonly caTtlMs: number
  readonly defaultX509SvidTtlMs: number
  readonly defaultJwtSvidTtlMs: number
  readonly agentTtlMs: number | undefined
}

/** Warns about SVID lifetimes that a CA of this lifetime cannot always grant in full. */
export function warnAboutTtls(ttls: Ttls, log: Logger): void {
  const checked: readonly (readonly [string, number | undefined])[] = [
    ['default_x509_svid_ttl', ttls.defaultX509SvidTtlMs],
    ['default_jwt_svid_ttl', ttls.defaultJwtSvidTtlMs],
    ['agent_ttl', ttls.agentTtlMs],
  ]
  for (const [name, ttlMs] of checked) {
    if (ttlMs === undefined || ttlMs <= grantedTtlMs(ttls.caTtlMs)) continue
    log.warn(warning(name, ttlMs, ttls.caTtlMs))
  }
}

function grantedTtlMs(caTtlMs: number): number {
  return Math.min(caTtlMs / divisor, longestSvidTtlMs)
}

function warning(name: string, ttlMs: number, caTtlMs: number): string {
  if (ttlMs < longestSvidTtlMs) {
    return (
      `${name} is too high for the configured ca_ttl value. SVIDs with shorter lifetimes may be issued. ` +
      `Please set ${name} to ${print(grantedTtlMs(caTtlMs))} or less, or the ca_ttl to ${print(ttlMs * divisor)} or more, ` +
      `to guarantee the full ${name} lifetime when CA rotations are scheduled.`
    )
  }
  if (caTtlMs < longestSvidTtlMs * divisor) {
    return (
      `${name} is too high and the ca_ttl is too low. SVIDs with shorter lifetimes may be issued. ` +
      `Please set ${name} to ${print(longestSvidTtlMs)} or less, and the ca_ttl to ${print(longestSvidTtlMs * divisor)} or more, ` +
      `to guarantee the full ${name} lifetime when CA rotations are scheduled.`
    )
  }
  return (
    `${name} is too high. SVIDs with shorter lifetimes may be issued. ` +
    `Please set ${name} to ${print(grantedTtlMs(caTtlMs))} or less ` +
    `to guarantee the full ${name} lifetime when CA rotations are scheduled.`
  )
}

/** Whole seconds, without the parts at the end that are zero: `4h`, `30h`, `1h30m`. */
function print(ms: number): string {
  return formatGoDuration(BigInt(Math.trunc(ms / 1000)) * 1_000_000_000n)
    .replace(/m0s$/, 'm')
    .replace(/h0m$/, 'h')
}
