import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { systemClock } from '../clock.ts'
import { openSocket } from './socket.ts'

let folder: string
const servers: Server[] = []
const clock = new FakeClock()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'socket-'))
})
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(folder, { recursive: true })
})

/** A socket behind which somebody does as told. */
async function behind(answer: (socket: Socket) => void): Promise<string> {
  const path = join(folder, 'api.sock')
  const server = createServer((socket) => answer(socket.on('error', () => {})))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return path
}

const unavailable = (reason: string): string =>
  `rpc error: code = Unavailable desc = connection error: desc = ${reason}`

describe('a socket is spoken to', () => {
  it('when HTTP/2 is spoken there, by its absolute path or a relative one', async () => {
    const server = createHttp2Server()
    const path = join(folder, 'api.sock')
    await new Promise<void>((resolve) => server.listen(path, resolve))
    for (const given of [path, relative(process.cwd(), path)]) {
      ;(await openSocket(given, 'plain', { clock })).close()
    }
    server.close()
  })

  it.each([
    [
      'who speaks HTTP/1.1',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      'http2: failed reading the frame payload: http2: frame too large, note that the frame header looked like an HTTP/1.1 header',
    ],
    ['who speaks something else', 'SSH-2.0-OpenSSH_9.2\r\n', 'http2: frame too large'],
    [
      'whose first frame is another one',
      '\0\0\x08\x06\0\0\0\0\0',
      'the first frame is not a settings frame',
    ],
  ])('not to one %s', async (_, greeting, reason) => {
    const path = await behind((socket) => socket.write(greeting, 'latin1'))
    const text = unavailable(`"error reading server preface: ${reason}"`)
    await expect(openSocket(path, 'plain', { clock })).rejects.toThrow(text)
  })

  it('not to one who greets byte by byte and then leaves', async () => {
    const path = await behind((socket) => socket.end('\0\0'))
    const text = unavailable('"error reading server preface: EOF"')
    await expect(openSocket(path, 'plain', { clock })).rejects.toThrow(text)
  })

  it('not to one who says nothing for 20 seconds, or for as long as the command may take', async () => {
    let isHere: (() => void) | undefined
    const path = await behind(() => isHere?.())
    const outcome = async (timeoutMs: number | undefined, ms: number): Promise<unknown> => {
      const here = new Promise<void>((resolve) => {
        isHere = resolve
      })
      const failed = openSocket(path, 'plain', { clock, timeoutMs }).catch((error) => error.message)
      await here
      clock.advance(ms - 1)
      expect(clock.timerCount).toBe(1)
      clock.advance(1)
      return await failed
    }
    const reason = `error reading server preface: raw-read unix @->${path}: use of closed network connection`
    expect(await outcome(undefined, 20_000)).toBe(unavailable(`"${reason}"`))
    expect(await outcome(60_000, 20_000)).toBe(unavailable(`"${reason}"`))
    expect(await outcome(5000, 5000)).toBe(
      'rpc error: code = DeadlineExceeded desc = context deadline exceeded while waiting for connections to become ready',
    )
    expect(clock.timerCount).toBe(0)
    await expect(openSocket(path, 'plain', { clock, timeoutMs: 0.5 })).rejects.toThrow(
      /context deadline exceeded$/,
    )
  })
})

describe('a socket that nobody serves', () => {
  it.each([
    ['a file', 'file', 'connection refused'],
    ['below a file', 'file/api.sock', 'not a directory'],
    ['nothing', 'none', 'no such file or directory'],
  ])('%s', async (_, name, reason) => {
    writeFileSync(join(folder, 'file'), '')
    const path = join(folder, name)
    const dialing = (shown: string): string =>
      unavailable(`"transport: Error while dialing: dial unix ${shown}: connect: ${reason}"`)
    await expect(openSocket(path, 'plain', { clock })).rejects.toThrow(dialing(path))
    await expect(openSocket(path, 'slashes', { clock })).rejects.toThrow(dialing(`//${path}`))
  })

  it('a path that the system would cut short, and lead elsewhere', async () => {
    const cut = join(folder, 'x'.repeat(107 - folder.length - 1))
    expect(cut).toHaveLength(107)
    const server = createServer(() => expect.unreachable())
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(cut, resolve))
    await expect(openSocket(`${cut}y`, 'plain', { clock: systemClock })).rejects.toThrow(
      'connect: invalid argument',
    )
  })
})
