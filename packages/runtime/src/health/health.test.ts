import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { type CheckResult, HealthChecks } from './health-checks.ts'
import { HealthListener } from './health-listener.ts'

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
})
