import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeReply, messageLength } from './dbus-wire.ts'
import { SystemdAttestor } from './systemd.ts'

let folder: string
let closers: (() => void)[]
let clock: FakeClock
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dbus-'))
  closers = [() => rmSync(folder, { recursive: true, force: true })]
  clock = new FakeClock()
})
afterEach(() => {
  for (const close of closers.reverse()) close()
})

/** A bus that behaves as told; the conversation with a real one is tested with the D-Bus daemon. */
async function bus(behave: (socket: Socket, data: Buffer) => void): Promise<SystemdAttestor> {
  const path = join(folder, 'bus.sock')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('data', (data) => behave(socket, data)).on('error', () => {})
  })
  closers.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return new SystemdAttestor({ busAddress: `unix:path=${path}`, ownUid: 7, clock })
}

const attest = (attestor: SystemdAttestor): Promise<unknown> =>
  attestor.attest({ pid: 1, uid: 0, gid: 0 }, new AbortController().signal)

describe('systemd refuses a bus', () => {
  it('that does not believe who it is', async () => {
    const seen: string[] = []
    const attestor = await bus((socket, data) => {
      seen.push(data.toString('latin1'))
      socket.write('REJECTED EXTERNAL\r\n')
    })
    await expect(attest(attestor)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_UNREADABLE',
        message:
          'workloadattestor(systemd): failed to open dbus connection: the bus refused: REJECTED EXTERNAL',
      }),
    )
    // "7", the user ID, in hexadecimal digits of its text.
    expect(seen).toEqual(['\0AUTH EXTERNAL 37\r\n'])
  })

  it('that talks without end', async () => {
    await expect(attest(await bus((socket) => socket.write('x'.repeat(10_000))))).rejects.toThrow(
      'the bus does not answer',
    )
  })

  it('that hangs up', async () => {
    await expect(attest(await bus((socket) => socket.end()))).rejects.toThrow(
      'the bus closed the connection',
    )
  })

  it.each([
    ['another byte order', Buffer.from('B')],
    ['a message of 4 GB', Buffer.from([0x6c, 2, 0, 1, 255, 255, 255, 255])],
    [
      'a message whose lengths lie',
      Buffer.from([
        0x6c, 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 6, 1, 0x73, 0, 0xff, 0xff, 0xff, 0x7f,
      ]),
    ],
  ])('that sends %s', async (_, message) => {
    const attestor = await bus((socket, data) => {
      if (data.includes('AUTH')) socket.write('OK 1234\r\n')
      else socket.write(Buffer.concat([message, Buffer.alloc(64)]))
    })
    await expect(attest(attestor)).rejects.toThrow('failed to open dbus connection')
  })

  it('that stays silent, after ten seconds', async () => {
    const attestor = await bus((socket, data) => {
      if (data.includes('AUTH')) socket.write('OK 1234\r\n')
      else clock.advance(10_000)
    })
    await expect(attest(attestor)).rejects.toThrow('failed to open dbus connection')
    expect(clock.timerCount).toBe(0)
  })
})

describe('a message of the bus', () => {
  it('is read whatever its bytes are, or refused', () => {
    const message = Buffer.alloc(48)
    let read = 0
    for (let seed = 1; seed < 20_000; seed++) {
      // A small generator: the same bytes in each run.
      let state = seed
      for (let at = 0; at < message.length; at++) {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
        message[at] = (state >> 16) % 256
      }
      message.set([0x6c, 2, 0, 1, seed % 32, 0, 0, 0])
      message.set([seed % 40, 0, 0, 0], 12)
      if (messageLength(message) === undefined) continue
      try {
        decodeReply(message)
        read++
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }
    expect(read).toBeGreaterThan(100)
  })
})
