import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BootstrapSource } from '../config/resolved-config.ts'
import {
  type AgentState,
  type AgentStorage,
  BootstrapUse,
  emptyAgentState,
} from '../storage/agent-state.ts'
import { createDownload } from '../transport/download.ts'
import { type BootstrapAccess, loadBootstrapTrust } from './bootstrap.ts'
import { BootstrapState } from './bootstrap-state.ts'
import { Rebootstrap } from './rebootstrap.ts'

const ca = TestCa.create('example.org')
const pem = pemEncode('CERTIFICATE', ca.certificate.raw)
const clock = new FakeClock()
const http = new HttpClient({ environment: {}, clock: systemClock })
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-bootstrap-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function memory(state: Partial<AgentState> = {}): AgentStorage & { state: AgentState } {
  const storage = {
    state: { ...emptyAgentState, ...state },
    update: (change: Partial<AgentState>) => {
      storage.state = { ...storage.state, ...change }
      return Promise.resolve()
    },
  }
  return storage
}

function load(source: BootstrapSource, access: Partial<BootstrapAccess> = {}, storage = memory()) {
  const never = (): never => {
    throw new Error('not asked for')
  }
  return loadBootstrapTrust({
    source,
    state: new BootstrapState({ storage, clock, log: silentLogger }),
    access: {
      download: createDownload(http),
      fetchRoots: never,
      parseSpiffeBundle: never,
      ...access,
    },
    trustDomain: TrustDomain.parse('example.org'),
    server: { address: 'server', port: 8081 },
    signal: new AbortController().signal,
  })
}

const file = (name: string) => ({ kind: 'file', path: join(folder, name), format: 'pem' }) as const

describe('a bootstrap source', () => {
  it('that is not there, or holds no certificate, is an error that says so', async () => {
    await expect(load(file('none'))).rejects.toMatchObject({
      code: 'ERR_BOOTSTRAP_BUNDLE',
      message: expect.stringContaining('could not parse trust bundle: ENOENT'),
    })
    await writeFile(join(folder, 'empty'), 'nothing')
    await expect(load(file('empty'))).rejects.toMatchObject({
      message: 'no certificates found in trust bundle',
    })
    const spiffe = { ...file('empty'), format: 'spiffe' } as const
    await expect(
      load(spiffe, {
        parseSpiffeBundle: () => {
          throw new Error('no authorities found')
        },
      }),
    ).rejects.toMatchObject({
      message: 'unable to parse SPIFFE trust bundle: no authorities found',
    })
  })

  it('may be a file, or none at all', async () => {
    await writeFile(join(folder, 'bundle'), pem + pem)
    expect(await load(file('bundle'))).toMatchObject({ kind: 'roots', roots: { length: 2 } })
    expect(await load({ kind: 'insecure' })).toEqual({ kind: 'insecure' })
  })

  it('on a Unix socket is told what it is asked for; any status but 200 is an error', async () => {
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(request.url ?? '')
      response.writeHead(asked.length > 1 ? 503 : 200).end(pem)
    })
    const unixSocket = join(folder, 'socket')
    await new Promise<void>((resolve) => void server.listen(unixSocket, resolve))
    try {
      const source = {
        kind: 'url',
        url: 'http://helper/bundle?x=1',
        format: 'pem',
        unixSocket,
      } as const
      expect(await load(source)).toMatchObject({ kind: 'roots' })
      expect(asked[0]).toBe(
        '/bundle?spiffe-trust-domain=example.org&spire-attest-mode=bootstrap&spire-attest-start-time=2026-03-01T12%3A00%3A00Z&spire-connection-attempts=1&spire-server-address=server&spire-server-port=8081&x=1',
      )
      await expect(load(source)).rejects.toMatchObject({
        message: 'error downloading trust bundle: 503 Service Unavailable',
      })
    } finally {
      server.close()
    }
  })
})

describe('the state of a bootstrap', () => {
  it('counts attempts from one start, and begins anew after a success', async () => {
    const storage = memory()
    const state = new BootstrapState({ storage, clock, log: silentLogger })
    await state.begin()
    clock.advance(1000)
    await state.begin()
    expect(storage.state).toMatchObject({
      bootstrapUse: BootstrapUse.Bootstrap,
      connectionAttempts: 2,
      bootstrapStartTime: new Date(clock.nowMs() - 1000),
    })
    await state.succeed()
    expect([state.isRebootstrap, state.attempts]).toEqual([true, 0])
  })
})

describe('rebootstrapping', () => {
  const make = (mode: 'never' | 'auto' | 'always', storage: AgentStorage) =>
    new Rebootstrap({
      mode,
      delayMs: 5000,
      storage,
      state: new BootstrapState({ storage, clock, log: silentLogger }),
      clock,
      log: silentLogger,
    })

  it('is not possible for an agent that cannot attest again', () => {
    const storage = memory({ svid: [Uint8Array.of(1)] })
    expect(() => make('always', storage).check()).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_REATTESTABLE' }),
    )
    const auto = make('auto', storage)
    auto.check()
    expect([auto.isEnabled, make('never', storage).isEnabled]).toEqual([false, false])
  })

  it('is due when trust has been lost for the delay', async () => {
    const rebootstrap = make('auto', memory({ svid: [Uint8Array.of(1)], isReattestable: true }))
    rebootstrap.check()
    expect(await rebootstrap.isDue(silentLogger)).toBe(false)
    clock.advance(4999)
    expect(await rebootstrap.isDue(silentLogger)).toBe(false)
    clock.advance(1)
    expect(await rebootstrap.isDue(silentLogger)).toBe(true)
  })
})
