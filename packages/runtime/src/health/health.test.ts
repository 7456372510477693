import { once } from 'node:events'
import { get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { type CheckResult, HealthChecks } from './health-checks.ts'
import { HealthListener } from './health-listener.ts'
import { startHealth } from './start-health.ts'

const well: CheckResult = { isLive: true, isReady: true }

function probe(
  port: number,
  path: string,
): Promise<{ status: number | undefined; type: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path }, (response) => {
      const { statusCode: status, headers } = response
      text(response).then(
        (body) => resolve({ status, type: headers['content-type'], body }),
        reject,
      )
    }).on('error', reject)
  })
}

describe('health', () => {
  it('is bad before the first run, then what the last run said, without asking again', async () => {
    let runs = 0
    let result: CheckResult = well
    const server = {
      name: 'server',
      check: () => {
        runs++
        return result
      },
    }
    const failing = { name: 'server.ca', check: () => Promise.reject(new Error('no key')) }
    const options = { clock: new FakeClock(), log: silentLogger }
    const checks = new HealthChecks({ ...options, checks: [server] })
    await using listener = new HealthListener({
      host: '127.0.0.1',
      port: 0,
      livePath: '/live',
      readyPath: '/ready',
      checks,
    })
    const { port } = await listener.listen()
    expect(await probe(port, '/ready')).toMatchObject({ status: 500, body: '{}\n' })
    await checks.checkNow(new AbortController().signal)
    expect(await probe(port, '/ready?x')).toEqual({
      status: 200,
      type: 'application/json',
      body: '{"server":{}}\n',
    })
    result = { isLive: true, isReady: false, details: { get_bundle_err: 'gone' } }
    await checks.checkNow(new AbortController().signal)
    expect((await probe(port, '/live')).status).toBe(200)
    expect(await probe(port, '/ready')).toMatchObject({
      status: 500,
      body: '{"server":{"get_bundle_err":"gone"}}\n',
    })
    expect((await probe(port, '/other')).status).toBe(404)
    expect(runs).toBe(2)
    const broken = new HealthChecks({ ...options, checks: [failing] })
    await broken.checkNow(new AbortController().signal)
    expect(broken.state).toMatchObject({
      isLive: false,
      details: { 'server.ca': { error: 'no key' } },
    })
  })

  it('leaves out what stands aside and has nothing to say', async () => {
    let details: Readonly<Record<string, unknown>> = {}
    const aside = { name: 'federation', isAside: true, check: () => ({ ...well, details }) }
    const checks = new HealthChecks({
      checks: [{ name: 'server', check: () => well }, aside],
      clock: new FakeClock(),
      log: silentLogger,
    })
    await checks.checkNow(new AbortController().signal)
    expect(JSON.stringify(checks.state.details)).toBe('{"server":{}}')
    details = { 'other.org': { failures: 1 } }
    await checks.checkNow(new AbortController().signal)
    expect(checks.state).toMatchObject({ isLive: true, details: { federation: details } })
  })

  it('says each time that something is not well, once what, and when it is well again', async () => {
    const lines: string[] = []
    const note = (level: string) => (message: string, fields?: object) =>
      lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
    const log = { ...silentLogger, error: note('E'), warn: note('W'), info: note('I') }
    const clock = new FakeClock()
    let result: CheckResult = { isLive: true, isReady: false, isStarting: true }
    const checks = new HealthChecks({ checks: [{ name: 'a', check: () => result }], clock, log })
    const run = () => checks.checkNow(new AbortController().signal)
    await run()
    await run()
    const unready = '"error":"subsystem is not ready"'
    expect(lines.splice(0)).toEqual([
      `W Health check has failed. Starting up still. {"check":"a",${unready}}`,
      `W Health check failed {"check":"a","details":{},${unready}}`,
    ])
    result = { isLive: false, isReady: false, details: { why: 'x' } }
    clock.advance(1500)
    await run()
    expect(lines.splice(0)).toEqual([
      'E Health check has failed {"check":"a","error":"subsystem is not live or ready"}',
    ])
    result = well
    await run()
    await run()
    expect(lines).toEqual([
      'I Health check recovered {"check":"a","details":{},"error":"subsystem is not live or ready","failures":3,"duration":1.5}',
    ])
  })

  it('goes without a listener where its address is taken, and says so', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const lines: string[] = []
    const note = (message: string, fields?: object) =>
      lines.push(`${message} ${JSON.stringify(fields)}`)
    const stop = new AbortController()
    const health = await startHealth({
      config: {
        isListenerEnabled: true,
        bindAddress: '127.0.0.1',
        bindPort: String(port),
        livePath: '/live',
        readyPath: '/ready',
      },
      checks: [{ name: 'a', check: () => well }],
      clock: new FakeClock(),
      log: { ...silentLogger, info: note, warn: note },
      signal: stop.signal,
    })
    stop.abort()
    await health.running
    await health[Symbol.asyncDispose]()
    taken.close()
    expect(lines).toEqual([
      `Serving health checks {"address":"127.0.0.1:${port}"}`,
      expect.stringMatching(/^Error serving health checks .*EADDRINUSE|address already in use/),
    ])
  })
})
