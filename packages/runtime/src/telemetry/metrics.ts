import { isSpiffeError } from '@mini-spire/sdk/errors'
import { grpcStatusFromKind, grpcStatusName } from '@mini-spire/sdk/grpc-status'

/** The parts of a metric's name, as SPIRE has them: `['ca', 'manager', 'x509_ca', 'prepare']`. */
export type MetricKey = readonly string[]

/** Labels of one observation. */
export type MetricLabels = Readonly<Record<string, string>>

/**
 * Where a daemon counts what it does. Keys and labels are SPIRE's (docs of its telemetry list them): dashboards and
 * alerts written for SPIRE go on working.
 */
export interface Metrics {
  /** Adds to a counter. */
  count(key: MetricKey, value?: number, labels?: MetricLabels): void
  /** Sets a gauge. */
  gauge(key: MetricKey, value: number, labels?: MetricLabels): void
  /** Observes one value of a distribution; durations are milliseconds. */
  sample(key: MetricKey, value: number, labels?: MetricLabels): void
}

/** Counts nothing. */
export const noMetrics: Metrics = { count: () => {}, gauge: () => {}, sample: () => {} }

/** One finished call, whatever it was: a request, a rotation, a write. */
export interface MeasuredCall {
  readonly key: MetricKey
  readonly durationMs: number
  /** gRPC status number; 0 is OK. */
  readonly code: number
  readonly labels?: MetricLabels
}

/** Counts a call and its duration (`<key>` and `<key>.elapsed_time`), with SPIRE's label `status`. */
export function measureCall(
  metrics: Metrics,
  { key, durationMs, code, labels }: MeasuredCall,
): void {
  if (metrics === noMetrics) return
  const all = { ...labels, status: grpcStatusName(code) }
  metrics.count(key, 1, all)
  metrics.sample([...key, 'elapsed_time'], durationMs, all)
}

/** The gRPC status number that counts for a failure: by its kind, `Unknown` without one. */
export function statusOf(error: unknown): number {
  return isSpiffeError(error) ? grpcStatusFromKind(error.kind) : 2
}

/**
 * Does some work and counts it as a call; a failure's status comes from its kind, `Unknown` without one.
 *
 * @example
 * await timeCall(metrics, clock, ['svid', 'rotate'], () => rotate())
 */
export async function timeCall<T>(
  metrics: Metrics,
  clock: { nowMs(): number },
  key: MetricKey,
  work: () => T | Promise<T>,
  labels: MetricLabels = {},
): Promise<T> {
  const startedMs = clock.nowMs()
  let code = 0
  try {
    return await work()
  } catch (error) {
    code = statusOf(error)
    throw error
  } finally {
    measureCall(metrics, { key, durationMs: clock.nowMs() - startedMs, code, labels })
  }
}

/** Sends everything to several sinks. */
export function combineMetrics(sinks: readonly Metrics[]): Metrics {
  const [first, ...others] = sinks
  if (!first) return noMetrics
  if (others.length === 0) return first
  return {
    count: (...observation) => sinks.forEach((sink) => void sink.count(...observation)),
    gauge: (...observation) => sinks.forEach((sink) => void sink.gauge(...observation)),
    sample: (...observation) => sinks.forEach((sink) => void sink.sample(...observation)),
  }
}
