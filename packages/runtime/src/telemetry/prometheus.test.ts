import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { MetricsListener } from './metrics-listener.ts'
import { renderProcessMetrics } from './process-metrics.ts'
import { createPrometheusSink } from './prometheus.ts'
import { QuantileWindow } from './quantile-window.ts'

const clock = new FakeClock()

describe('a scrape', () => {
  it('has families in order, with their types, and every series under its name', () => {
    const sink = createPrometheusSink({ prefix: 'spire_server', clock })
    sink.gauge(['started'], 1, { version: 'x' })
    sink.count(['rpc', 'x509-svid'], 2, { status: 'OK', host: 'h' })
    sink.count(['rpc', 'x509-svid'], 1, { host: 'h', status: 'OK' })
    sink.sample(['a', 'elapsed_time'], 3)
    sink.gauge(['started'], 2, { version: 'x', host: 'a"b\\c\nd' })
    expect(sink.render()).toBe(`# HELP spire_server_a_elapsed_time spire_server_a_elapsed_time
# TYPE spire_server_a_elapsed_time summary
spire_server_a_elapsed_time{quantile="0.5"} 3.001
spire_server_a_elapsed_time{quantile="0.9"} 3.001
spire_server_a_elapsed_time{quantile="0.99"} 3.001
spire_server_a_elapsed_time_sum 3
spire_server_a_elapsed_time_count 1
# HELP spire_server_rpc_x509_svid spire_server_rpc_x509_svid
# TYPE spire_server_rpc_x509_svid counter
spire_server_rpc_x509_svid{host="h",status="OK"} 3
# HELP spire_server_started spire_server_started
# TYPE spire_server_started gauge
spire_server_started{host="a\\"b\\\\c\\nd",version="x"} 2
spire_server_started{version="x"} 1
`)
  })

  it('keeps a name for the type that had it first, and a counter never falls', () => {
    const sink = createPrometheusSink({ prefix: 's', clock })
    sink.count(['a'])
    sink.gauge(['a'], 7)
    sink.sample(['a'], 7)
    sink.count(['a'], -5)
    expect(sink.render()).toBe('# HELP s_a s_a\n# TYPE s_a counter\ns_a 1\n')
  })

  it('forgets quantiles after ten seconds, but neither sum nor count', () => {
    const sink = createPrometheusSink({ prefix: 's', clock })
    sink.sample(['a'], 5)
    clock.advance(10_001)
    expect(sink.render()).toContain('s_a{quantile="0.5"} NaN\n')
    expect(sink.render()).toContain('s_a_sum 5\ns_a_count 1\n')
  })

  it('has a bound on series', () => {
    const sink = createPrometheusSink({ prefix: 's', clock })
    for (let n = 0; n < 20_010; n++) sink.count(['a'], 1, { n: String(n) })
    expect(sink.render().split('\n')).toHaveLength(2 + 20_000 + 1)
  })

  it('is served on every path', async () => {
    const sink = createPrometheusSink({ prefix: 's', clock, more: () => 'more 1\n' })
    sink.count(['a'])
    await using listener = new MetricsListener({ host: '127.0.0.1', port: 0, sink })
    const { port } = await listener.listen()
    const body = await new Promise<string>((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: '/anything' }, (response) => {
        text(response).then(resolve, reject)
      }).on('error', reject)
    })
    expect(body).toBe('# HELP s_a s_a\n# TYPE s_a counter\ns_a 1\nmore 1\n')
  })
})

describe('quantiles', () => {
  it('are within one percent of the value that has the rank', () => {
    const values = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1 })
    fc.assert(
      fc.property(values, fc.constantFrom(0.5, 0.9, 0.99), (seen, share) => {
        const window = new QuantileWindow(10_000)
        for (const value of seen) window.observe(value, 0)
        const sorted = [...seen].sort((a, b) => a - b)
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0
        const [found = 0] = window.quantiles([share], 0)
        expect(Math.abs(found - exact) / exact).toBeLessThan(0.011)
      }),
    )
  })

  it('take what is not positive as zero', () => {
    const window = new QuantileWindow(10_000)
    for (const value of [-3, 0, 0]) window.observe(value, 0)
    expect(window.quantiles([0.5, 0.99], 0)).toEqual([0, 0])
  })
})

describe('the metrics of the process', () => {
  it('are those of this process', () => {
    const body = renderProcessMetrics()
    const figure = (name: string): number =>
      Number(new RegExp(`^${name} (.+)$`, 'm').exec(body)?.[1])
    const { rss } = process.memoryUsage()
    expect(figure('process_resident_memory_bytes') / rss).toBeGreaterThan(0.5)
    expect(figure('process_resident_memory_bytes') / rss).toBeLessThan(2)
    expect(figure('process_cpu_seconds_total')).toBeGreaterThan(0)
    expect(figure('process_open_fds')).toBeGreaterThan(2)
    expect(figure('process_max_fds')).toBeGreaterThan(figure('process_open_fds'))
    const started = (performance.timeOrigin - 5_000) / 1_000
    expect(figure('process_start_time_seconds')).toBeGreaterThan(started - 60)
    expect(figure('process_start_time_seconds')).toBeLessThan(started + 60)
    expect(body).toMatch(/^process_virtual_memory_(max_)?bytes \d/m)
  })

  it('are left out where the kernel does not tell', () => {
    expect(renderProcessMetrics('/nowhere')).toBe('')
  })
})
