import { parseCertificate } from '@mini-spire/sdk/x509'
import type { TrustBundle } from '../model/trust-bundle.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs

/** How often a bundle is looked for within the time that its refresh hint names: one failure must not cost a period. */
const attemptsPerHint = 4
/** The shortest time that a hint may name. */
const shortestHintMs = minuteMs
/** Without a hint, this part of the shortest root's life is one. */
const lifetimeFraction = 10
/** Between attempts while there is no bundle. */
const withoutBundleMs = minuteMs
/** After the first failure; twice as long after each one more, up to the usual pace. */
const firstRetryMs = 15 * secondMs
/** By how much an interval is shortened at most, so that servers do not all come at once. */
const jitter = 0.1

/** What the next attempt depends on. */
export interface ScheduleInput {
  /** The stored bundle; undefined without one, or when the endpoint could not be authenticated. */
  readonly bundle: TrustBundle | undefined
  /** Failures since the last success. */
  readonly failures: number
  /** A number from 0 up to 1. */
  readonly chance: number
}

/**
 * Milliseconds until the next attempt: a quarter of the bundle's refresh hint, sooner after a failure, never later than SPIRE
 * would come.
 */
export function refreshDelayMs({ bundle, failures, chance }: ScheduleInput): number {
  const paceMs = bundle ? refreshHintMs(bundle) / attemptsPerHint : withoutBundleMs
  const retryMs = failures === 0 ? paceMs : firstRetryMs * 2 ** (failures - 1)
  return Math.min(paceMs, retryMs) * (1 - jitter * chance)
}

/** The hint of a bundle, or what takes its place; at least a minute. */
function refreshHintMs({ refreshHintSeconds, x509Authorities }: TrustBundle): number {
  if (refreshHintSeconds > 0) return Math.max(refreshHintSeconds * secondMs, shortestHintMs)
  const lifetimesMs = x509Authorities.map(({ certificate }) => {
    const { notBefore, notAfter } = parseCertificate(certificate)
    return notAfter.getTime() - notBefore.getTime()
  })
  if (lifetimesMs.length === 0) return shortestHintMs
  return Math.max(Math.min(...lifetimesMs) / lifetimeFraction, shortestHintMs)
}
