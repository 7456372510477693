import { ConfigError } from '../config/config-error.ts'
import { refusedDogStatsdSocket } from '../config/refused-keys.ts'
import type { MetricLabels, Metrics } from './metrics.ts'
import { statsdName } from './statsd.ts'

/** As Datadog's client: a datagram that no usual network has to split. */
export const dogStatsdMaxBytes = 1432

type Environment = Readonly<Record<string, string | undefined>>

/** Tags from the environment, in the order in which Datadog's client puts them before all others. */
const environmentTags: readonly (readonly [variable: string, tag: string])[] = [
  ['DD_ENTITY_ID', 'dd.internal.entity_id'],
  ['DD_ENV', 'env'],
  ['DD_SERVICE', 'service'],
  ['DD_VERSION', 'version'],
]

/**
 * Writes DogStatsD lines: `spire_server.rpc.x:1|c|#status:OK,host:h`.
 *
 * @param environment adds tags by `DD_ENTITY_ID`, `DD_ENV`, `DD_SERVICE` and `DD_VERSION`
 * @param write takes a line, its line feed included
 */
export function createDogStatsdSink(options: {
  readonly prefix: string
  readonly environment: Environment
  readonly write: (line: string) => void
}): Metrics {
  const { prefix, environment, write } = options
  const common = environmentTags.flatMap(([variable, tag]) => {
    const value = environment[variable] ?? ''
    return value === '' ? [] : [`${tag}:${value.replaceAll('\n', '')}`]
  })
  const emit = (key: readonly string[], labels: MetricLabels, value: string): void => {
    const tags = [...common, ...Object.entries(labels).map(tagOf)]
    write(
      `${statsdName([prefix, ...key])}:${value}${tags.length > 0 ? `|#${tags.join(',')}` : ''}\n`,
    )
  }
  return {
    count: (key, value = 1, labels = {}) => emit(key, labels, `${Math.trunc(value)}|c`),
    gauge: (key, value, labels = {}) => emit(key, labels, `${value}|g`),
    sample: (key, value, labels = {}) => emit(key, labels, `${value.toFixed(6)}|ms`),
  }
}

function tagOf([name, value]: readonly [string, string]): string {
  return value === '' ? statsdName([name]) : `${statsdName([name])}:${statsdName([value])}`
}

/**
 * Where a DogStatsD sink sends to: what is configured, else the agent that `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT` name.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE` when neither says; `ERR_CONFIG_UNSUPPORTED` for a `unix://` socket, a kind of which
 *   (datagrams) Node has none
 */
export function dogStatsdAddress(configured: string, environment: Environment): string {
  const fromEnvironment = configured === '' ? (environment['DD_AGENT_HOST'] ?? '') : ''
  const address = configured || fromEnvironment
  if (address === '') {
    const message = 'No address passed and autodetection from environment failed'
    throw new ConfigError('ERR_CONFIG_VALUE', message)
  }
  if (address.startsWith('unix://')) {
    const message = `telemetry.DogStatsd: ${address}: ${refusedDogStatsdSocket.reason}`
    throw new ConfigError('ERR_CONFIG_UNSUPPORTED', message)
  }
  if (address.includes(':')) return address
  return `${address}:${(fromEnvironment && environment['DD_DOGSTATSD_PORT']) || '8125'}`
}
