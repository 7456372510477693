import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { createDogStatsdSink, dogStatsdAddress } from './dogstatsd.ts'
import { InMemoryMetrics } from './in-memory.ts'
import { M3Metrics } from './m3.ts'
import { encodeM3Batch } from './m3-wire.ts'
import { createPushSinks, type PushSinksOptions } from './push-sinks.ts'

const options: Omit<PushSinksOptions, 'config' | 'clock'> = {
  prefix: 'pre',
  service: 'spire_server',
  log: silentLogger,
  environment: { DD_ENV: 'e1', DD_SERVICE: 'svc' },
}
const nothing = { statsdAddresses: [], dogStatsdAddresses: [], m3: [] }

/** A peer that takes datagrams. */
async function listen(): Promise<{
  readonly address: string
  readonly next: () => Promise<Buffer>
  readonly close: () => void
}> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    next: async () => ((await once(socket, 'message')) as [Buffer])[0],
    close: () => socket.close(),
  }
}

describe('StatsD', () => {
  it('gets the values of labels as parts of names, several lines in a datagram of at most 1400 bytes', async () => {
    const peer = await listen()
    const clock = new FakeClock()
    const config = { ...nothing, statsdAddresses: [peer.address] }
    const [sink] = createPushSinks({ ...options, config, clock })
    sink?.metrics.count(['rpc', 'x'], 1, { status: 'OK', host: 'h 1:2' })
    sink?.metrics.sample(['rpc', 'x', 'elapsed_time'], 0.25)
    sink?.metrics.gauge(['up'], 12)
    const first = peer.next()
    clock.advance(100)
    expect((await first).toString()).toBe(
      'pre.rpc.x.OK.h_1_2:1.000000|c\npre.rpc.x.elapsed_time:0.250000|ms\npre.up:12.000000|g\n',
    )
    const full = peer.next()
    for (let n = 0; n < 100; n++) sink?.metrics.gauge(['up'], n)
    const datagram = (await full).toString()
    expect(datagram.length).toBeLessThanOrEqual(1400)
    expect(datagram).toMatch(/^(pre\.up:\d+\.000000\|g\n){70,}$/)
    const last = peer.next()
    await sink?.close()
    expect((await last).toString()).toContain('pre.up:99.000000|g\n')
    peer.close()
  })

  it('that cannot be reached is an error in the log, and nothing else', () => {
    const lines: string[] = []
    const log = { ...silentLogger, error: (message: string) => void lines.push(message) }
    const config = { ...nothing, statsdAddresses: ['no port'] }
    expect(createPushSinks({ ...options, config, clock: new FakeClock(), log })).toEqual([])
    expect(lines).toEqual(['Error connecting to statsd!'])
  })
})

describe('DogStatsD', () => {
  it('gets labels as tags, after those of the environment', async () => {
    const peer = await listen()
    const clock = new FakeClock()
    const config = { ...nothing, dogStatsdAddresses: [peer.address] }
    const [sink] = createPushSinks({ ...options, config, clock })
    sink?.metrics.count(['rpc', 'x'], 2, { status: 'OK', empty: '' })
    sink?.metrics.gauge(['up'], 1.5)
    sink?.metrics.sample(['rpc', 'x', 'elapsed_time'], 0.25)
    const received = peer.next()
    await sink?.close()
    expect((await received).toString()).toBe(
      'pre.rpc.x:2|c|#env:e1,service:svc,status:OK,empty\npre.up:1.5|g|#env:e1,service:svc\npre.rpc.x.elapsed_time:0.250000|ms|#env:e1,service:svc\n',
    )
    peer.close()
  })

  it('has no tags when there are none, and a line break cannot make a second line', () => {
    const lines: string[] = []
    const write = (line: string): void => void lines.push(line)
    createDogStatsdSink({ prefix: 'p', environment: {}, write }).gauge(['a'], 1)
    createDogStatsdSink({ prefix: 'p', environment: { DD_ENV: 'a\nb' }, write }).count(['a'], 1, {
      x: 'c\nd',
    })
    expect(lines).toEqual(['p.a:1|g\n', 'p.a:1|c|#env:ab,x:cd\n'])
  })

  it.each([
    ['127.0.0.1:99', {}, '127.0.0.1:99'],
    ['host', {}, 'host:8125'],
    ['', { DD_AGENT_HOST: 'agent' }, 'agent:8125'],
    ['', { DD_AGENT_HOST: 'agent', DD_DOGSTATSD_PORT: '9' }, 'agent:9'],
    ['host', { DD_DOGSTATSD_PORT: '9' }, 'host:8125'],
  ])('at %j with %j is at %s', (configured, environment, expected) => {
    expect(dogStatsdAddress(configured, environment)).toBe(expected)
  })

  it('without an address, or on a socket that Node cannot open, is refused', () => {
    expect(() => dogStatsdAddress('', {})).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_VALUE' }),
    )
    expect(() => dogStatsdAddress('unix:///x', {})).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_UNSUPPORTED' }),
    )
  })
})

/** What Uber's own reporter (tally 4.1.17) sent for these three metrics. */
const tallyBatch =
  '82810111656d69744d6574726963426174636856321c193c18057270635f781c150216d80417000000000000000016000016d8d6acc9e48d8aeb31191c180673746174757318024f4b0000180c757074696d655f696e5f6d731c1504160017000000000000294016000016d8d6acc9e48d8aeb310018127270635f785f656c61707365645f74696d651c1502160417000000000000000016000016d8d6acc9e48d8aeb31193c180673746174757318024f4b0018086275636b657469641804303030320018066275636b6574180931306d732d32356d730000192c180773657276696365180c73706972655f736572766572001803656e76180470726f64000000'

describe('M3', () => {
  it('is spoken as its own reporter speaks it', () => {
    const batch = encodeM3Batch({
      sequence: 1,
      timeNs: 1795551103506814380n,
      commonTags: { service: 'spire_server', env: 'prod' },
      metrics: [
        { name: 'rpc_x', type: 'counter', value: 300, tags: { status: 'OK' } },
        { name: 'uptime_in_ms', type: 'gauge', value: 12.5, tags: {} },
        {
          name: 'rpc_x_elapsed_time',
          type: 'counter',
          value: 2,
          tags: { status: 'OK', bucketid: '0002', bucket: '10ms-25ms' },
        },
      ],
    })
    expect(Buffer.from(batch).toString('hex')).toBe(tallyBatch)
  })

  it('gets differences of counters, and gauges that were set, once a second', () => {
    const sent: string[] = []
    const clock = new FakeClock()
    const send = (datagram: Uint8Array): void =>
      void sent.push(Buffer.from(datagram).toString('latin1'))
    const metrics = new M3Metrics({ service: 's', env: 'e', clock, send })
    metrics.count(['a'], 2)
    metrics.count(['a'], 1)
    metrics.gauge(['g'], 1)
    clock.advance(1_000)
    // A counter (2, zigzag) with the sum (6, zigzag), and the gauge.
    expect(sent[0]).toContain('\u0018\u0001a\u001c\u0015\u0002\u0016\u0006\u0017')
    expect(sent[0]).toContain('\u0018\u0001g\u001c\u0015\u0004')
    clock.advance(5_000)
    expect(sent).toHaveLength(1)
    metrics.count(['a'])
    metrics[Symbol.dispose]()
    expect(sent[1]).toContain('\u0018\u0001a\u001c\u0015\u0002\u0016\u0002\u0017')
    expect(sent[1]).not.toContain('\u0001g')
    expect(clock.timerCount).toBe(0)
  })

  it.each([
    [['x', 'elapsed_time'], 0.9, '0000', '-infinity-0'],
    [['x', 'elapsed_time'], 7, '0001', '0-10ms'],
    [['x', 'elapsed_time'], 900, '0012', '800ms-1s'],
    [['x', 'elapsed_time'], 40_000, '0020', '30s-infinity'],
    [['x'], 0, '0000', '-infinity-0.000000'],
    [['x'], 5, '0002', '1.000000-10.000000'],
    [['x'], 1e6, '0006', '10000.000000-infinity'],
  ])('counts %j %d in bucket %s, %s', (key, value, id, bucket) => {
    let sent = ''
    const send = (datagram: Uint8Array): void => {
      sent = Buffer.from(datagram).toString('latin1')
    }
    const metrics = new M3Metrics({ service: 's', env: 'e', clock: new FakeClock(), send })
    metrics.sample(key, value)
    metrics[Symbol.dispose]()
    expect(sent).toContain(`bucketid\u0018\u0004${id}`)
    expect(sent).toContain(`bucket\u0018${String.fromCharCode(bucket.length)}${bucket}\0`)
  })

  it('splits what does not fit into a datagram', () => {
    const sizes: number[] = []
    const clock = new FakeClock()
    const send = (datagram: Uint8Array): void => void sizes.push(datagram.length)
    const metrics = new M3Metrics({ service: 's', env: 'e', clock, send })
    for (let n = 0; n < 1_000; n++) metrics.count([`counter${n}`], 1, { label: 'x'.repeat(50) })
    clock.advance(1_000)
    expect(sizes.length).toBeGreaterThan(1)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32_768)
    expect(sizes[0]).toBeGreaterThan(30_000)
  })

  it('is refused without env', () => {
    const config = { ...nothing, m3: [{ address: '127.0.0.1:1', env: '' }] }
    expect(() => createPushSinks({ ...options, config, clock: new FakeClock() })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_VALUE', message: 'env common tag is required' }),
    )
  })
})

describe('metrics in memory', () => {
  it('are dumped second by second in SPIRE’s form, all but the second that runs', () => {
    const clock = new FakeClock(new Date('2026-11-24T20:01:09.5Z'))
    const metrics = new InMemoryMetrics({ prefix: 'p', clock })
    metrics.gauge(['up'], 1, { host: 'h 1' })
    metrics.gauge(['up'], 12, { host: 'h 1' })
    metrics.count(['c'], 2)
    metrics.sample(['s'], 1)
    metrics.sample(['s'], 3)
    expect(metrics.dump()).toEqual([])
    clock.advance(1_000)
    metrics.count(['c'])
    expect(metrics.dump()).toEqual([
      "[2026-11-24 20:01:09 +0000 UTC][G] 'p.up.h_1': 12.000",
      "[2026-11-24 20:01:09 +0000 UTC][C] 'p.c': Count: 1 Sum: 2.000 LastUpdated: 2026-11-24 20:01:09.5 +0000 UTC",
      "[2026-11-24 20:01:09 +0000 UTC][S] 'p.s': Count: 2 Min: 1.000 Mean: 2.000 Max: 3.000 Stddev: 1.414 Sum: 4.000 LastUpdated: 2026-11-24 20:01:09.5 +0000 UTC",
    ])
  })

  it('are kept for an hour', () => {
    const clock = new FakeClock()
    const metrics = new InMemoryMetrics({ prefix: 'p', clock })
    for (let second = 0; second < 4_000; second++) {
      metrics.gauge(['n'], second)
      clock.advance(1_000)
    }
    const lines = metrics.dump()
    expect(lines).toHaveLength(3_599)
    expect(lines[0]).toContain(': 401.000')
  })
})
