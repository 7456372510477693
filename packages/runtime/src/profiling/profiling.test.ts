import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import type { ProfilingConfig } from '../config/daemon-config.ts'
import { createLogger } from '../log/create-logger.ts'
import { encodePprof } from './pprof.ts'
import { ProfilingListener } from './profiling-listener.ts'
import { RuntimeProfiler } from './runtime-profiler.ts'
import { startProfiling } from './start-profiling.ts'
import { cpuIntervalUs, cpuProfileOf } from './v8-profiles.ts'

let clock: FakeClock
let profiler: RuntimeProfiler
let listener: ProfilingListener
let url: string

beforeEach(async () => {
  clock = new FakeClock()
  profiler = new RuntimeProfiler(clock)
  await profiler.start()
  listener = new ProfilingListener(profiler)
  url = `http://localhost:${await listener.listen(0)}/debug/pprof`
})
afterEach(async () => {
  await listener[Symbol.asyncDispose]()
  profiler[Symbol.dispose]()
})

/** Resolves once a CPU profile is being taken. */
async function untilTaking(): Promise<void> {
  while (clock.timerCount === 0) await new Promise((resolve) => setImmediate(resolve))
}

/** Works for so long that the profiler must have seen it. */
function workThatShows(): number {
  const end = performance.now() + 50
  let sum = 0
  while (performance.now() < end) for (let step = 0; step < 1000; step++) sum += Math.sqrt(step)
  return sum
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

const textOf = async (response: Response): Promise<string> =>
  gunzipSync(Buffer.from(await response.arrayBuffer())).toString('latin1')

describe('profiles of this process', () => {
  it('say where its time went', async () => {
    const answer = fetch(`${url}/profile`)
    await untilTaking()
    clock.advance(29_999)
    expect(clock.timerCount).toBe(1)
    expect(workThatShows()).toBeGreaterThan(0)
    clock.advance(1)
    const text = await textOf(await answer)
    expect(text).toContain('workThatShows')
    expect(text).toContain('nanoseconds')
    expect(text).not.toContain('(idle)')
  })

  it('say what is on its heap', async () => {
    const kept = Array.from({ length: 500_000 }, (_, index) => ({ index }))
    const text = await textOf(await fetch(`${url}/heap`))
    expect(text).toContain('inuse_space')
    expect(text).toContain('profiling.test.ts')
    expect(kept).toHaveLength(500_000)
  })

  it('are taken one at a time, and no longer than somebody waits', async () => {
    const gone = new AbortController()
    const first = fetch(`${url}/profile?seconds=300`, { signal: gone.signal }).catch(() => 'gone')
    await untilTaking()
    const second = await fetch(`${url}/profile?seconds=1`)
    expect([second.status, await second.text()]).toEqual([
      500,
      'Could not enable CPU profiling: cpu profiling already in use\n',
    ])
    gone.abort()
    expect(await first).toBe('gone')
    while (clock.timerCount > 0) await new Promise((resolve) => setImmediate(resolve))
    const third = fetch(`${url}/profile?seconds=1`)
    await untilTaking()
    clock.advance(1000)
    expect((await third).status).toBe(200)
  })

  it.each(['0', '-1', '301', '1e9', 'NaN', 'Infinity', 'soon', '1;2'])(
    'are not taken for "%s" seconds',
    async (seconds) => {
      expect((await fetch(`${url}/profile?seconds=${seconds}`)).status).toBe(400)
      expect(clock.timerCount).toBe(0)
    },
  )

  it.each(['/cmdline', '/symbol', '/goroutine', '/../../etc/passwd', '/profile/'])(
    'are all there is: %s is nothing',
    async (path) => {
      expect((await fetch(url + path)).status).toBe(404)
    },
  )

  it('are asked for over a bounded number of connections [gate 11]', async () => {
    const sockets: Socket[] = []
    const isTaken = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connect({ host: 'localhost', port: Number(new URL(url).port) })
        sockets.push(socket)
        socket.on('error', () => {})
        socket.once('data', () => resolve(true)).once('close', () => resolve(false))
        socket.write('GET /debug/pprof/ HTTP/1.1\r\nhost: localhost\r\n\r\n')
      })
    const taken = await Promise.all(Array.from({ length: 40 }, isTaken))
    expect(taken.filter(Boolean)).toHaveLength(32)
    for (const socket of sockets) socket.destroy()
    await expect.poll(isTaken).toBe(true)
    for (const socket of sockets) socket.destroy()
  })

  it('are read only, and listed', async () => {
    expect((await fetch(`${url}/heap`, { method: 'POST' })).status).toBe(405)
    expect(await (await fetch(`${url}/`)).text()).toContain('profile  CPU profile')
  })
})

describe('the profile of a recording', () => {
  it('counts the time from a sample to the next, and nothing of what was idle', () => {
    const frame = (functionName: string) => ({
      functionName,
      scriptId: '0',
      url: 'a.js',
      lineNumber: 4,
      columnNumber: 0,
    })
    const profile = cpuProfileOf(
      {
        nodes: [
          { id: 1, callFrame: frame('(root)'), children: [2, 4] },
          { id: 2, callFrame: frame('outer'), children: [3] },
          { id: 3, callFrame: frame('inner') },
          { id: 4, callFrame: frame('(idle)') },
        ],
        startTime: 0,
        endTime: 10_000,
        samples: [3, 4, 2, 3],
        timeDeltas: [0, 1000, 2000, 3000],
      },
      { startMs: 0, intervalUs: 1000 },
    )
    const brief = profile.samples.map(({ stack, values }) => [
      stack.map(({ functionName }) => functionName),
      values,
    ])
    expect(brief).toEqual([
      [
        ['inner', 'outer'],
        [2, 1_000_000],
      ],
      [['outer'], [1, 3_000_000]],
    ])
    expect(profile.durationMs).toBe(10)
  })

  it('is made of no more than 30000 looks, however long it takes', () => {
    expect([1, 30_000, 60_000, 300_000, 86_400_000].map(cpuIntervalUs)).toEqual([
      1000, 1000, 2000, 10_000, 2_880_000,
    ])
  })

  it('is written once for what comes twice', () => {
    const frame = { functionName: '', url: 'b.js', lineNumber: 0 }
    const sample = { stack: [frame, frame], values: [1] }
    const bytes = encodePprof({
      samples: [sample, sample],
      types: [['space', 'bytes']],
      period: { type: ['space', 'bytes'], value: 1 },
      startMs: 0,
      durationMs: 0,
    })
    const text = gunzipSync(bytes).toString('latin1')
    expect(text.split('b.js')).toHaveLength(2)
    expect(text.split('(anonymous)')).toHaveLength(2)
  })
})

describe('profiles of a process with a web browser beside it', () => {
  const ask = (headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const request = get(`${url}/heap`, { headers, agent: false }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode))
      })
      request.once('error', reject)
    })

  it.each([
    'evil.example',
    'evil.example:6060',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.2',
    '[::1].evil.example',
  ])('are not for a page whose name "%s" leads here', async (host) => {
    expect(await ask({ host })).toBe(403)
  })

  it.each(['cross-site', 'same-site'])('are not for a page that is %s', async (site) => {
    expect(await ask({ 'sec-fetch-site': site })).toBe(403)
  })

  it.each([{ host: 'LOCALHOST:1' }, { host: '127.0.0.1' }, { host: '[::1]:6060' }])(
    'are for who asks %s',
    async (headers) => {
      expect(await ask(headers)).toBe(200)
    },
  )

  it('are for who types the address', async () => {
    expect(await ask({ 'sec-fetch-site': 'none' })).toBe(200)
    expect(await ask({ 'sec-fetch-site': 'same-origin' })).toBe(200)
  })
})

describe('the profiling keys', () => {
  let lines: string[]
  let folder: string
  const log = createLogger({
    format: 'plain',
    level: 'info',
    clock: new FakeClock(),
    destination: { isTerminal: false, write: (text) => void lines.push(text) },
  })
  const off = { isEnabled: false, port: 0, frequency: 0, names: [] }
  const start = (config: Partial<ProfilingConfig>): Promise<AsyncDisposable> =>
    startProfiling({ config: { ...off, ...config }, tag: 'server', folder, clock, log })
  const files = (): readonly string[] => (existsSync(folder) ? readdirSync(folder).sort() : [])

  beforeEach(async () => {
    lines = []
    folder = join(await mkdtemp(join(tmpdir(), 'profiles-')), '.profiles')
  })
  afterEach(() => rm(dirname(folder), { recursive: true, force: true }))

  /** Lets a period pass, and waits until the next one has begun. */
  async function pass(seconds: number, timers: number): Promise<void> {
    while (clock.timerCount < timers) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(seconds * 1000)
    while (clock.timerCount < timers) await new Promise((resolve) => setImmediate(resolve))
  }

  it('do nothing while they are off, or name neither port nor frequency', async () => {
    for (const config of [{ port: 1, frequency: 1, names: ['heap'] }, { isEnabled: true }]) {
      await using _ = await start(config)
    }
    expect([lines, clock.timerCount, files()]).toEqual([[], 0, []])
  })

  it('that name a port that is taken are a warning', async () => {
    await using _ = await start({ isEnabled: true, port: Number(new URL(url).port) })
    expect(lines.join('')).toMatch(
      /level=warning msg="Unable to serve profiling server" error=".*EADDRINUSE/,
    )
  })

  it('write profiles as often as they say, and none that is not whole', async () => {
    {
      await using _ = await start({ isEnabled: true, frequency: 60, names: ['heap', 'cpu'] })
      await pass(60, 2)
      await pass(60, 2)
      clock.advance(59_000)
    }
    const names = files()
    expect(names.map((name) => name.replace(/^\d{4}-\d\d-\d\d_\d{4}/, ''))).toEqual([
      '00_server_cpu.pb.gz',
      '00_server_heap.pb.gz',
      '00_server_cpu.pb.gz',
      '00_server_heap.pb.gz',
    ])
    for (const name of names) {
      const text = gunzipSync(readFileSync(join(folder, name))).toString('latin1')
      expect(text).toContain(name.includes('cpu') ? 'nanoseconds' : 'inuse_space')
    }
    expect(statSync(join(folder, names[0] ?? '')).mode & 0o027).toBe(0)
    expect(statSync(folder).mode & 0o027).toBe(0)
    expect(lines).toEqual([])
  })

  it('write no second CPU profile while another is taken, and no sooner', async () => {
    const port = await freePort()
    await using _ = await start({ isEnabled: true, port, frequency: 60, names: ['cpu'] })
    while (clock.timerCount < 2) await new Promise((resolve) => setImmediate(resolve))
    const answer = await fetch(`http://localhost:${port}/debug/pprof/profile?seconds=1`)
    expect(await answer.text()).toBe(
      'Could not enable CPU profiling: cpu profiling already in use\n',
    )
    await pass(60, 2)
    expect(files()).toHaveLength(1)
  })

  it.each([
    [['goroutine', 'mutex', 'heap'], 'profiling_names="goroutine,mutex"', 1],
    [['nonsense', 'heap'], 'profiling_names=nonsense', 1],
  ])('say which of %j are not taken', async (names, said, timers) => {
    await using _ = await start({ isEnabled: true, frequency: 1, names })
    await pass(1, timers)
    expect(lines.join('')).toContain(said)
    expect(files()).toHaveLength(1)
  })

  it.each([[[]], [['trace', 'block']]])('that name nothing to write, %j, say so', async (names) => {
    await using _ = await start({ isEnabled: true, frequency: 1, names })
    expect(lines.at(-1)).toContain(
      'level=warning msg="Failed to run profiling" error="there are no dumpers active"',
    )
    expect(clock.timerCount).toBe(0)
  })

  it('that cannot write are a warning and no more', async () => {
    writeFileSync(folder, '')
    {
      await using _ = await start({ isEnabled: true, frequency: 1, names: ['heap'] })
    }
    expect(lines.join('')).toMatch(/msg="Failed to run profiling" error=".*EEXIST/)
  })

  it('go on after a profile that could not be written', async () => {
    await using _ = await start({ isEnabled: true, frequency: 1, names: ['heap'] })
    await pass(0, 1)
    rmSync(folder, { recursive: true })
    await pass(1, 1)
    mkdirSync(folder)
    await pass(1, 1)
    expect(lines.join('')).toContain('Unable to write a profile')
    expect(files()).toHaveLength(1)
  })
})
