import { messageOf } from '@mini-spire/sdk/errors'
import type { Clock } from '../clock.ts'
import { ConfigError } from '../config/config-error.ts'
import type { TelemetryConfig } from '../config/daemon-config.ts'
import type { Logger } from '../log/logger.ts'
import { DatagramLines, DatagramSender } from './datagrams.ts'
import { createDogStatsdSink, dogStatsdAddress, dogStatsdMaxBytes } from './dogstatsd.ts'
import { M3Metrics } from './m3.ts'
import type { Metrics } from './metrics.ts'
import { createStatsdSink, statsdMaxBytes } from './statsd.ts'

/** Options of {@link createPushSinks}. */
export interface PushSinksOptions {
  readonly config: Pick<TelemetryConfig, 'statsdAddresses' | 'dogStatsdAddresses' | 'm3'>
  readonly prefix: string
  /** What M3 has as tag, whatever the prefix. */
  readonly service: string
  readonly clock: Clock
  readonly log: Logger
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A sink that sends by itself, and how it stops. */
export interface PushSink {
  readonly metrics: Metrics
  /** Whether filters see the kind of a metric in its name. */
  readonly namesHaveKinds: boolean
  /** Sends what is left and closes. */
  readonly close: () => Promise<void>
}

/**
 * Makes a sink for each StatsD, DogStatsD and M3 address. A StatsD address that is none is an error in the log, as SPIRE has it;
 * for the others it is fatal.
 *
 * @throws {ConfigError} `ERR_CONFIG_VALUE`, `ERR_CONFIG_UNSUPPORTED`
 */
export function createPushSinks(options: PushSinksOptions): readonly PushSink[] {
  const { config, environment } = options
  return [
    ...config.dogStatsdAddresses.map((configured) => {
      const address = dogStatsdAddress(configured, environment)
      return dogStatsd(options, address)
    }),
    ...config.statsdAddresses.flatMap((address) => statsd(options, address)),
    ...config.m3.map((one) => m3(options, one)),
  ]
}

function dogStatsd(options: PushSinksOptions, address: string): PushSink {
  const { clock, prefix, environment } = options
  const sender = openSender(options, address, 'Error writing to DogStatsD')
  const lines = linesTo(sender, dogStatsdMaxBytes, clock)
  const write = (line: string): void => lines.write(line)
  return closing(createDogStatsdSink({ prefix, environment, write }), lines, sender)
}

function statsd(options: PushSinksOptions, address: string): readonly PushSink[] {
  const { clock, prefix, log } = options
  try {
    const sender = openSender(options, address, 'Error writing to statsd!')
    const lines = linesTo(sender, statsdMaxBytes, clock)
    return [
      closing(
        createStatsdSink(prefix, (line) => lines.write(line)),
        lines,
        sender,
      ),
    ]
  } catch (error) {
    log.error('Error connecting to statsd!', { error: messageOf(error) })
    return []
  }
}

function m3(options: PushSinksOptions, { address, env }: TelemetryConfig['m3'][number]): PushSink {
  if (env === '') throw new ConfigError('ERR_CONFIG_VALUE', 'env common tag is required')
  const { clock, service } = options
  const sender = openSender(options, address, 'Error writing to M3')
  const metrics = new M3Metrics({
    service,
    env,
    clock,
    send: (datagram) => sender.send(datagram),
  })
  return { ...closing(metrics, metrics, sender), namesHaveKinds: true }
}

function closing(metrics: Metrics, last: Disposable, sender: DatagramSender): PushSink {
  return {
    metrics,
    namesHaveKinds: false,
    close: async () => {
      last[Symbol.dispose]()
      await sender[Symbol.asyncDispose]()
    },
  }
}

function linesTo(sender: DatagramSender, maxBytes: number, clock: Clock): DatagramLines {
  return new DatagramLines({ send: (datagram) => sender.send(datagram), maxBytes, clock })
}

function openSender(options: PushSinksOptions, address: string, failure: string): DatagramSender {
  const { clock, log } = options
  return new DatagramSender({ ...parseHostPort(address), clock, log, failure })
}

function parseHostPort(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address) ?? []
  const port = Number(digits)
  if (digits === '' || port > 65_535) {
    const message = `address ${address}: invalid host and port`
    throw new ConfigError('ERR_CONFIG_VALUE', message)
  }
  return { host: bracketed ?? (plain || 'localhost'), port }
}
