import type { CheckedSection } from './check-unknown-keys.ts'
import { healthChecksSchema, telemetrySchema } from './daemon-schema.ts'
import type { Decoded } from './schema.ts'

/** The blocks that both daemons have, for the check of unknown keys. */
export function telemetryUnknownKeys(
  telemetry: Decoded<typeof telemetrySchema>,
  healthChecks: Decoded<typeof healthChecksSchema>,
): readonly CheckedSection[] {
  const { Prometheus, DogStatsd, Statsd, M3, InMem } = telemetrySchema
  const checked = (
    name: string,
    decoded: CheckedSection['decoded'],
    schema: CheckedSection['schema'],
  ): CheckedSection => ({ name, decoded, schema, isChecked: true })
  return [
    { name: 'telemetry', decoded: telemetry, schema: telemetrySchema, isChecked: false },
    checked('Prometheus', telemetry.Prometheus, Prometheus.fields),
    {
      name: 'Prometheus.tls',
      decoded: telemetry.Prometheus?.tls,
      schema: Prometheus.fields.tls.fields,
      isChecked: false,
    },
    ...telemetry.DogStatsd.map((sink) => checked('DogStatsd', sink, DogStatsd.fields)),
    ...telemetry.Statsd.map((sink) => checked('Statsd', sink, Statsd.fields)),
    ...telemetry.M3.map((sink) => checked('M3', sink, M3.fields)),
    checked('InMem', telemetry.InMem, InMem.fields),
    checked('health check', healthChecks, healthChecksSchema),
  ]
}
