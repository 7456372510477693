import type { Clock } from '../clock.ts'
import { bindService } from '../grpc/service.ts'
import { type Label, MetricsService } from '../proto/spire/hostservice/common/metrics/v1/metrics.ts'
import type { MetricLabels, Metrics } from '../telemetry/metrics.ts'
import type { HostService } from './host-services.ts'

/**
 * Lets plugins count in the daemon's metrics, under keys and labels of their choice.
 *
 * `EmitKey` has no counterpart in any sink and is accepted without effect.
 */
export function metricsHostService(metrics: Metrics, clock: Clock): HostService {
  const binding = bindService(MetricsService, {
    setGauge: (_, { key, val, labels }) => {
      metrics.gauge(key, val, labelsFrom(labels))
      return {}
    },
    emitKey: () => ({}),
    incrCounter: (_, { key, val, labels }) => {
      // A counter never falls: what a sink would refuse is not counted.
      if (val > 0) metrics.count(key, val, labelsFrom(labels))
      return {}
    },
    addSample: (_, { key, val, labels }) => {
      metrics.sample(key, val, labelsFrom(labels))
      return {}
    },
    measureSince: (_, { key, time, labels }) => {
      metrics.sample(key, clock.nowMs() - Number(time) / 1e6, labelsFrom(labels))
      return {}
    },
  })
  return { name: 'spire.hostservice.common.metrics.v1.Metrics', binding }
}

function labelsFrom(labels: readonly Label[]): MetricLabels {
  return Object.fromEntries(labels.map(({ name, value }) => [name, value]))
}
