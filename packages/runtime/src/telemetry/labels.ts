import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'

/** What is counted and what is not; empty lists filter nothing. */
export interface MetricFilters {
  /** Prefixes of full names (`spire_server.rpc.agent`): exceptions from the blocked ones. */
  readonly allowedPrefixes: readonly string[]
  readonly blockedPrefixes: readonly string[]
  readonly allowedLabels: readonly string[]
  readonly blockedLabels: readonly string[]
}

/** Makes text fit for label names and values as SPIRE does: `example.org` → `example_org`. */
export function sanitizeLabel(text: string): string {
  return text.replaceAll(/\W+_?/g, '_')
}

/**
 * Adds labels to every observation, sanitizes all of them and drops what the filters do not let through.
 * The longest prefix that matches a name decides; a blocked one wins over an allowed one of the same length.
 */
export function refineMetrics(
  metrics: Metrics,
  options: {
    readonly labels: MetricLabels
    readonly filters: MetricFilters
    readonly prefix: string
  },
): Metrics {
  const { filters, labels, prefix } = options
  const verdicts = new Map<string, boolean>()
  const isCounted = (key: MetricKey): boolean => {
    const name = [prefix, ...key].join('.')
    const known = verdicts.get(name)
    if (known !== undefined) return known
    const verdict = isNameAllowed(name, filters)
    verdicts.set(name, verdict)
    return verdict
  }
  const refine = (own: MetricLabels | undefined): MetricLabels => {
    const result: Record<string, string> = {}
    for (const [name, value] of [...Object.entries(labels), ...Object.entries(own ?? {})]) {
      if (isLabelAllowed(name, filters)) result[sanitizeLabel(name)] = sanitizeLabel(value)
    }
    return result
  }
  return {
    count: (key, value = 1, own) => void (isCounted(key) && metrics.count(key, value, refine(own))),
    gauge: (key, value, own) => void (isCounted(key) && metrics.gauge(key, value, refine(own))),
    sample: (key, value, own) => void (isCounted(key) && metrics.sample(key, value, refine(own))),
  }
}

function isNameAllowed(name: string, filters: MetricFilters): boolean {
  const allowed = longestPrefix(name, filters.allowedPrefixes)
  const blocked = longestPrefix(name, filters.blockedPrefixes)
  return blocked === 0 || allowed > blocked
}

function longestPrefix(name: string, prefixes: readonly string[]): number {
  return Math.max(0, ...prefixes.filter((prefix) => name.startsWith(prefix)).map((p) => p.length))
}

function isLabelAllowed(name: string, { allowedLabels, blockedLabels }: MetricFilters): boolean {
  if (blockedLabels.includes(name)) return false
  return allowedLabels.length === 0 || allowedLabels.includes(name)
}
