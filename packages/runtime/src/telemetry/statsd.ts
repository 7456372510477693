import type { MetricKey, MetricLabels, Metrics } from './metrics.ts'

/** As SPIRE's: a datagram of a StatsD sink is not longer. */
export const statsdMaxBytes = 1400

/**
 * Writes StatsD lines: `spire_server.rpc.x.OK.host:1.000000|c`. StatsD has no labels, so their values are parts of the name.
 *
 * @param write takes a line, its line feed included
 */
export function createStatsdSink(prefix: string, write: (line: string) => void): Metrics {
  const emit = (key: MetricKey, labels: MetricLabels, value: number, type: string): void =>
    write(`${statsdName([prefix, ...key, ...Object.values(labels)])}:${value.toFixed(6)}|${type}\n`)
  return {
    count: (key, value = 1, labels = {}) => emit(key, labels, value, 'c'),
    gauge: (key, value, labels = {}) => emit(key, labels, value, 'g'),
    sample: (key, value, labels = {}) => emit(key, labels, value, 'ms'),
  }
}

/** Joins the parts of a name; what separates in a line does not stand in it. */
export function statsdName(parts: readonly string[]): string {
  return parts.join('.').replaceAll(/[: ]/g, '_').replaceAll('\n', '')
}
