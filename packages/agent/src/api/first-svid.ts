import type { MetricKey } from '@mini-spire/runtime/telemetry/metrics'

/** How long who asks for others waited for the first SVID; SPIRE counts delegates and brokers under one name. */
export const firstSvidKey: MetricKey = [
  'delegated_identity_api',
  'subscribe_x509_svid',
  'first_x509_svid_update',
]
