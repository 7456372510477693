import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'

/** What is counted and what is not; empty lists filter nothing. */
export interface MetricFilters {
  /** Prefixes of full names (`spire_server.rpc.agent`): exceptions from the blocked ones. */
  readonly allowedPrefixes: readonly string[]
  readonly blockedPrefixes: readonly string[]
  readonly allowedLabels: readonly string[]
  readonly blockedLabels: readonly string[]
}

/** Options of {@link refineMetrics}. */
export interface RefineOptions {
  /** Added to every observation after its own, in this order, sanitized. */
  readonly labels: MetricLabels
  /** The name of this machine, added last and as it is; undefined adds none. */
  readonly host: string | undefined
  readonly filters: MetricFilters
  readonly prefix: string
  /** Whether filters see the kind of a metric after its prefix, as M3's do. @default false */
  readonly namesHaveKinds?: boolean
}

/** What an observation is, as names with kinds say it. */
export type MetricKind = 'counter' | 'gauge' | 'sample' | 'timer'

/** Whether a distribution is one of durations: SPIRE measures them under this name only. */
export function isTimer(key: MetricKey): boolean {
  return key.at(-1) === 'elapsed_time'
}

/** Makes text fit for label names and values as SPIRE does: `example.org` → `example_org`. */
export function sanitizeLabel(text: string): string {
  return text.replaceAll(/\W+_?/g, '_')
}

/**
 * Adds labels to every observation, sanitizes all but the host's and drops what the filters do not let through.
 * The longest prefix that matches a name decides; a blocked one wins over an allowed one of the same length.
 *
 * The order of labels is SPIRE's: StatsD has no labels, and their values become parts of the name.
 */
export function refineMetrics(metrics: Metrics, options: RefineOptions): Metrics {
  const { filters, host, labels, prefix } = options
  const verdicts = new Map<string, boolean>()
  const isCounted = (kind: MetricKind, key: MetricKey): boolean => {
    const name = [prefix, ...(options.namesHaveKinds ? [kind] : []), ...key].join('.')
    const known = verdicts.get(name)
    if (known !== undefined) return known
    const verdict = isNameAllowed(name, filters)
    verdicts.set(name, verdict)
    return verdict
  }
  const hasHost = host !== undefined && isLabelAllowed('host', filters)
  const refine = (own: MetricLabels = {}): MetricLabels => {
    const result: Record<string, string> = {}
    for (const part of [own, labels]) {
      for (const name in part) {
        const clean = sanitizeLabel(name)
        if (isLabelAllowed(clean, filters)) result[clean] = sanitizeLabel(part[name] ?? '')
      }
    }
    if (hasHost) result['host'] = host
    return result
  }
  return {
    count(key, value = 1, own) {
      if (isCounted('counter', key)) metrics.count(key, value, refine(own))
    },
    gauge(key, value, own) {
      if (isCounted('gauge', key)) metrics.gauge(key, value, refine(own))
    },
    sample(key, value, own) {
      if (isCounted(isTimer(key) ? 'timer' : 'sample', key)) metrics.sample(key, value, refine(own))
    },
  }
}

function isNameAllowed(name: string, filters: MetricFilters): boolean {
  const allowed = longestPrefix(name, filters.allowedPrefixes)
  const blocked = longestPrefix(name, filters.blockedPrefixes)
  return blocked === -1 || allowed > blocked
}

function longestPrefix(name: string, prefixes: readonly string[]): number {
  return Math.max(-1, ...prefixes.filter((prefix) => name.startsWith(prefix)).map((p) => p.length))
}

function isLabelAllowed(name: string, { allowedLabels, blockedLabels }: MetricFilters): boolean {
  if (blockedLabels.includes(name)) return false
  return allowedLabels.length === 0 || allowedLabels.includes(name)
}
