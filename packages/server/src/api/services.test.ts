import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import type { LogLevel } from '@mini-spire/runtime/log/logger'
import { HealthService } from '@mini-spire/runtime/proto/grpc/health/v1/health'
import { DebugService } from '@mini-spire/runtime/proto/spire/api/server/debug/v1/debug'
import { LoggerService } from '@mini-spire/runtime/proto/spire/api/server/logger/v1/logger'
import { TestCa } from '@mini-spire/sdk/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { putEntry, testCause, testEntry, testNode } from '../store/store.test-kit.ts'
import { ApiScene, failureOf } from './api.test-kit.ts'
import { debugService } from './debug/service.ts'
import { healthService } from './health/service.ts'
import { loggerService } from './logger/service.ts'

let scene: ApiScene
beforeEach(() => {
  scene = new ApiScene()
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

describe('Health', () => {
  let client: ClientOf<typeof HealthService>
  beforeEach(async () => {
    client = createClient(HealthService, await scene.serve(healthService))
  })

  it('knows no services by name, no list and no watch', async () => {
    expect(await failureOf(client.check({ service: 'x' }))).toEqual({
      code: 3,
      message: 'per-service health is not supported',
    })
    expect(await failureOf(client.list({}))).toEqual({
      code: 12,
      message: 'method List not implemented',
    })
    const watch = client.watch({ service: '' })[Symbol.asyncIterator]().next()
    expect(await failureOf(watch)).toEqual({ code: 12, message: 'method Watch not implemented' })
  })

  it('is serving when the server has its bundle', async () => {
    expect(await client.check({ service: '' })).toEqual({ status: 2 })
    await scene.ownBundle.append(
      { x509: [TestCa.create('example.org').certificate.raw] },
      testCause,
    )
    expect(await client.check({ service: '' })).toEqual({ status: 1 })
  })
})

describe('Logger', () => {
  it('reads, sets and resets the level', async () => {
    const control = {
      level: 'info' as LogLevel,
      launchLevel: 'info' as LogLevel,
      setLevel: (level: LogLevel): void => {
        control.level = level
      },
    }
    const client = createClient(LoggerService, await scene.serve(() => loggerService({ control })))
    expect(await client.getLogger({})).toEqual({ currentLevel: 5, launchLevel: 5 })
    for (const newLevel of [1, 2, 3, 4, 5, 6, 7] as const) {
      expect(await client.setLogLevel({ newLevel })).toEqual({
        currentLevel: newLevel,
        launchLevel: 5,
      })
    }
    expect(control.level).toBe('trace')
    expect(scene.audit.fields).toEqual({ new_log_level: 'TRACE' })
    expect(await failureOf(client.setLogLevel({ newLevel: 0 }))).toEqual({
      code: 3,
      message: 'newLevel value cannot be LogLevel_UNSPECIFIED',
    })
    expect(await failureOf(client.setLogLevel({ newLevel: 99 as 7 }))).toEqual({
      code: 3,
      message: 'unsupported log level',
    })
    expect(control.level).toBe('trace')
    expect(await client.resetLogLevel({})).toEqual({ currentLevel: 5, launchLevel: 5 })
  })
})

describe('Debug', () => {
  let chain: readonly Uint8Array[]
  let client: ClientOf<typeof DebugService>
  beforeEach(async () => {
    const other = TestCa.create('example.org', { now: () => scene.clock.now() })
    const issuer = TestCa.create('example.org', { now: () => scene.clock.now() })
    chain = issuer.issueX509Svid('/spire/server').chain.map(({ raw }) => raw)
    const channel = await scene.serve(({ registry, ownBundle, clock }) =>
      debugService({ registry, ownBundle, clock, serverChain: () => chain }),
    )
    client = createClient(DebugService, channel)
    expect(await failureOf(client.getInfo({}))).toEqual({
      code: 5,
      message: 'trust domain bundle not found',
    })
    await scene.ownBundle.append({ x509: [other.certificate.raw] }, testCause)
    const failure = await failureOf(client.getInfo({}))
    expect(failure.code).toBe(13)
    expect(failure.message).toMatch(/^failed verification against bundle: /)
    await scene.ownBundle.append({ x509: [issuer.certificate.raw] }, testCause)
  })

  it('counts, shows the verified chain with its root, and answers the same for 5 seconds', async () => {
    await scene.put(putEntry(testEntry('e')), {
      op: 'put',
      kind: 'node',
      key: 'spiffe://example.org/spire/agent/a',
      value: testNode('/spire/agent/a'),
      expect: 'absent',
    })
    const info = await client.getInfo({})
    expect(info).toMatchObject({
      agentsCount: 1,
      entriesCount: 1,
      federatedBundlesCount: 1,
      uptime: 0,
    })
    expect(info.svidChain.map(({ id }) => id)).toEqual([
      { trustDomain: 'example.org', path: '/spire/server' },
      { trustDomain: 'example.org', path: '' },
    ])
    await scene.put({ op: 'delete', kind: 'entry', key: 'e', expect: 'present' })
    scene.clock.advance(4999)
    expect(await client.getInfo({})).toEqual(info)
    scene.clock.advance(1)
    expect(await client.getInfo({})).toMatchObject({ entriesCount: 0, uptime: 5 })
  })
})
