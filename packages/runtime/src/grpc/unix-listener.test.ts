import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import type { CallContext } from './call-context.ts'
import { openHooks } from './call-hooks.ts'
import { GrpcHost } from './host.ts'
import type { HostLimits } from './host-limits.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'unix-listener-'))
  closers.push(() => rmSync(made, { recursive: true, force: true }))
  return made
}

function host(limits: Partial<HostLimits> = {}): GrpcHost<CallContext> {
  const made = new GrpcHost({
    services: [],
    hooks: openHooks,
    clock: systemClock,
    log: silentLogger,
    limits,
  })
  closers.push(() => made.stop(0))
  return made
}

/** A process that connects, says so, and ends when its connection does. */
function holding(path: string): {
  readonly process: ChildProcess
  readonly connected: Promise<unknown>
} {
  const program = `require('net').connect(process.argv[1], () => console.log('connected')).resume().on('close', () => process.exit())`
  const child = spawn(process.execPath, ['-e', program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closers.push(() => child.kill())
  return { process: child, connected: once(child.stdout, 'data') }
}

const modeOf = (path: string): number => statSync(path).mode & 0o7777

describe('a Unix listener', () => {
  it.each([0o000, 0o077])('sets the modes that were asked for under umask %o', async (umask) => {
    const directory = join(folder(), 'new')
    const path = join(directory, 'api.sock')
    const before = process.umask(umask)
    closers.push(() => process.umask(before))
    await host().listenUnix({ path, mode: 0o777, directoryMode: 0o755 })
    expect([modeOf(directory), modeOf(path)]).toEqual([0o755, 0o777])
  })

  it('leaves the mode of a directory that was there', async () => {
    const directory = join(folder(), 'old')
    mkdirSync(directory, { mode: 0o700 })
    await host().listenUnix({ path: join(directory, 's'), mode: 0o770, directoryMode: 0o750 })
    expect(modeOf(directory)).toBe(0o700)
  })

  it('takes the place of a socket and of a file that were left behind', async () => {
    const directory = folder()
    const path = join(directory, 's')
    const old = createServer().listen(path)
    closers.push(() => old.close())
    await new Promise((resolve) => old.once('listening', resolve))
    await host().listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    writeFileSync(join(directory, 'f'), '')
    await host().listenUnix({ path: join(directory, 'f'), mode: 0o770, directoryMode: 0o750 })
    expect(statSync(path).isSocket()).toBe(true)
  })

  it.runIf(process.getuid?.() === 0)('refuses a directory that another user owns', async () => {
    const directory = folder()
    chownSync(directory, 65_534, 65_534)
    const listening = host().listenUnix({
      path: join(directory, 's'),
      mode: 0o770,
      directoryMode: 0o750,
    })
    await expect(listening).rejects.toMatchObject({ code: 'ERR_LISTEN_UNSAFE_DIRECTORY' })
  })

  it.each(['x'.repeat(108), 'é'.repeat(54)])(
    'listens nowhere when its path is longer than the system takes: %s',
    async (name) => {
      const directory = folder()
      const path = join(directory, 'new', name)
      const listening = host().listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
      await expect(listening).rejects.toMatchObject({
        code: 'ERR_LISTEN_FAILED',
        message: expect.stringContaining('the path is longer than 107 bytes'),
      })
      expect(readdirSync(directory)).toEqual([])
    },
  )

  it('listens at the longest path that the system takes', async () => {
    const directory = folder()
    const path = join(directory, 'x'.repeat(107 - 1 - directory.length))
    await host().listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    expect(statSync(path).isSocket()).toBe(true)
  })

  it('says which path it cannot have', async () => {
    const path = join(folder(), 'file', 's')
    writeFileSync(dirname(path), '')
    const listening = host().listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    await expect(listening).rejects.toMatchObject({
      code: 'ERR_LISTEN_FAILED',
      message: expect.stringContaining(dirname(path)),
    })
  })

  it('says in Go’s words that something else than a file is in its place', async () => {
    const path = folder()
    const listening = host().listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    await expect(listening).rejects.toMatchObject({
      code: 'ERR_LISTEN_FAILED',
      message: `listen unix ${path}: bind: is a directory`,
    })
  })

  it('holds no more connections of one process than its share', async () => {
    const path = join(folder(), 's')
    const made = host({ maxConnectionsPerAddress: 2 })
    await made.listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    const sockets = [1, 2, 3].map(() => connect(path).on('error', () => {}))
    closers.push(() => {
      for (const socket of sockets) socket.destroy()
    })
    await Promise.race(
      sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve))),
    )
    expect(made.connectionCount).toBe(2)
  })

  it('has room for a process that comes when another one holds all places, which loses its last [gate 9]', async () => {
    const path = join(folder(), 's')
    const made = host({ maxConnections: 4 })
    await made.listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    const greedy: Socket[] = []
    for (let n = 1; n <= 4; n++) {
      greedy.push(connect(path).resume())
      await expect.poll(() => made.connectionCount).toBe(n)
    }
    closers.push(() => {
      for (const socket of greedy) socket.destroy()
    })
    const [first, second, third, last] = greedy
    const cut = [last, third].map((socket) => once(socket as Socket, 'close'))
    const others = [holding(path), holding(path)]
    await Promise.all(cut)
    await Promise.all(others.map((other) => other.connected))
    const [keptOut] = await once(connect(path).resume(), 'close')
    expect(keptOut).toBe(false)
    expect([first?.destroyed, second?.destroyed, made.connectionCount]).toEqual([false, false, 4])
    for (const { process: other } of others) expect(other.exitCode).toBeNull()
  })

  it('takes a herd that connects at once', async () => {
    const path = join(folder(), 's')
    const made = host()
    await made.listenUnix({ path, mode: 0o770, directoryMode: 0o750 })
    const sockets = Array.from({ length: 1500 }, () => connect(path))
    closers.push(() => {
      for (const socket of sockets) socket.destroy()
    })
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve, reject) => {
            socket.once('connect', resolve)
            socket.once('error', reject)
          }),
      ),
    )
    while (made.connectionCount < sockets.length)
      await new Promise((resolve) => setImmediate(resolve))
  })
})
