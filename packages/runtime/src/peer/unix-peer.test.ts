import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { descriptorOf, loadPeerCalls, type PeerCalls } from './peer-calls.ts'
import { pinProcess, pinUnixPeer } from './unix-peer.ts'
import { startZombie } from './zombie.test-kit.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

let calls: PeerCalls
beforeEach(async () => {
  calls = await loadPeerCalls()
})

/** A listener whose connections are handed out one by one. */
function listen(): { readonly path: string; next(): Promise<Socket> } {
  const folder = mkdtempSync(join(tmpdir(), 'unix-peer-'))
  const path = join(folder, 's.sock')
  const sockets: Socket[] = []
  const waiting: ((socket: Socket) => void)[] = []
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    closers.push(() => socket.destroy())
    const next = waiting.shift()
    if (next) next(socket)
    else sockets.push(socket)
  }).listen({ path, backlog: 1024 })
  closers.push(
    () => rmSync(folder, { recursive: true, force: true }),
    () => server.close(),
  )
  return {
    path,
    next: () => {
      const socket = sockets.shift()
      return socket ? Promise.resolve(socket) : new Promise((resolve) => waiting.push(resolve))
    },
  }
}

/** A process that connects; what it does afterwards is the script's. */
function connector(path: string, after: string): ChildProcess {
  const script = `const s = require('net').connect(process.argv[1], () => { ${after} })`
  const child = spawn(process.execPath, ['-e', script, path], { stdio: 'ignore' })
  closers.push(() => child.kill('SIGKILL'))
  return child
}

function exited(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('exit', resolve))
}

/** How many descriptors this process has open. */
function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

describe('the process behind a Unix socket', () => {
  it('is the one that connected, with its user and group', async () => {
    const { path, next } = listen()
    const child = connector(path, '')
    const peer = pinUnixPeer(descriptorOf(await next()), calls)
    closers.push(() => peer.release())
    expect(peer).toMatchObject({ pid: child.pid, uid: process.getuid?.(), gid: process.getgid?.() })
    peer.assertAlive()
  })

  it('is gone when it has ended, although its number may live on', async () => {
    const { path, next } = listen()
    const child = connector(path, '')
    const peer = pinUnixPeer(descriptorOf(await next()), calls)
    closers.push(() => peer.release())
    child.kill('SIGKILL')
    await exited(child)
    expect(() => peer.assertAlive()).toThrow(/has ended/)
  })

  it('is refused when it ended before the connection was accepted', async () => {
    const { path, next } = listen()
    const child = connector(path, 'process.exit()')
    await exited(child)
    const fd = descriptorOf(await next())
    expect(() => pinUnixPeer(fd, calls)).toThrow(expect.objectContaining({ code: 'ERR_PEER_GONE' }))
  })

  it('is another when it replaced its program after connecting', async () => {
    const { path, next } = listen()
    const script =
      'import os,socket,sys\ns=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);os.set_inheritable(s.fileno(),True)\ns.recv(1)\nos.execv("/bin/sleep",["sleep","60"])'
    const child = spawn('python3', ['-c', script, path], { stdio: 'ignore' })
    closers.push(() => child.kill('SIGKILL'))
    const socket = await next()
    const peer = pinUnixPeer(descriptorOf(socket), calls)
    closers.push(() => peer.release())
    peer.assertAlive()
    socket.write('x')
    const changed = (): boolean => {
      try {
        peer.assertAlive()
        return false
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_PEER_CHANGED' })
        return true
      }
    }
    while (!changed()) await new Promise((resolve) => setImmediate(resolve))
  })

  it('is refused without a number: it lives outside our view', () => {
    const outside: PeerCalls = { ...calls, credentials: () => ({ pid: 0, uid: 0, gid: 0 }) }
    expect(() => pinUnixPeer(0, outside)).toThrow(
      expect.objectContaining({ code: 'ERR_PEER_UNIDENTIFIED' }),
    )
  })

  it('with other credentials than it connected with is another', () => {
    const mine = {
      pid: process.pid,
      uid: (process.getuid?.() ?? 0) + 1,
      gid: process.getgid?.() ?? 0,
    }
    const open = (): number => calls.pidfd(0, process.pid)
    const changed: PeerCalls = { ...calls, credentials: () => mine, pidfd: open }
    const before = openDescriptors()
    expect(() => pinUnixPeer(0, changed)).toThrow(
      expect.objectContaining({ code: 'ERR_PEER_CHANGED' }),
    )
    expect(openDescriptors()).toBe(before)
  })

  it('costs no descriptor once it is released, however it went', async () => {
    const { path, next } = listen()
    const round = async (): Promise<void> => {
      const client = connect(path)
      const socket = await next()
      const peer = pinUnixPeer(descriptorOf(socket), calls)
      const closing = new Promise((resolve) => socket.once('close', resolve))
      client.destroy()
      socket.resume()
      await closing
      peer.release()
      peer.release()
      expect(() => peer.assertAlive()).toThrow(/has ended/)
    }
    await round()
    const before = openDescriptors()
    for (let n = 0; n < 200; n++) await round()
    expect(openDescriptors()).toBe(before)
  })

  it('a socket that is closed has no descriptor to ask', async () => {
    const { path, next } = listen()
    connect(path).on('error', () => {})
    const socket = await next()
    socket.destroy()
    expect(() => descriptorOf(socket)).toThrow(
      expect.objectContaining({ code: 'ERR_PEER_UNIDENTIFIED' }),
    )
  })
})

async function zombie(): Promise<number> {
  const { pid, parent } = await startZombie()
  closers.push(() => parent.kill('SIGKILL'))
  return pid
}

describe('a process that is named by its number', () => {
  it('is held with its own user and group, until it ends', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    closers.push(() => child.kill('SIGKILL'))
    const held = pinProcess(child.pid ?? 0, calls)
    closers.push(() => held.release())
    expect(held).toMatchObject({ pid: child.pid, uid: process.getuid?.(), gid: process.getgid?.() })
    held.assertAlive()
    child.kill('SIGKILL')
    await exited(child)
    expect(() => held.assertAlive()).toThrow(expect.objectContaining({ code: 'ERR_PEER_GONE' }))
  })

  it.each([
    ['nobody has', () => 2 ** 22 + 1],
    ['is no number of a process', () => 0],
    ['is negative', () => -1],
    ['a zombie has', zombie],
    [
      'a thread has',
      () => Number(readdirSync('/proc/self/task').find((id) => +id !== process.pid)),
    ],
  ])('is not there when the number %s', async (_what, find) => {
    const pid = await find()
    const before = openDescriptors()
    expect(() => pinProcess(pid, calls)).toThrow(expect.objectContaining({ code: 'ERR_PEER_GONE' }))
    expect(openDescriptors()).toBe(before)
  })
})

describe('a system that does not tell who calls', () => {
  it('is refused, so that nobody is served unidentified', async () => {
    closers.push(() => vi.unstubAllGlobals())
    vi.stubGlobal('process', Object.create(process, { platform: { value: 'darwin' } }))
    await expect(loadPeerCalls()).rejects.toMatchObject({ code: 'ERR_PEER_UNSUPPORTED' })
  })
})
