import type { TelemetryConfig } from '@mini-spire/runtime/config/daemon-config'

/** A `telemetry` block that is not there: every default, no sink. */
export const quietTelemetry: TelemetryConfig = {
  prometheus: undefined,
  dogStatsdAddresses: [],
  statsdAddresses: [],
  m3: [],
  isInMemEnabled: false,
  metricPrefix: '',
  hasTrustDomainLabel: false,
  hasHostnameLabel: true,
  allowedPrefixes: [],
  blockedPrefixes: [],
  allowedLabels: [],
  blockedLabels: [],
}
