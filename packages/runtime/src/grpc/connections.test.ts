import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { ConnectionTable } from './connections.ts'

it('a crowd that comes at once takes a place each of who holds them all, and no place twice [gate 9]', () => {
  const table = new ConnectionTable(new FakeClock())
  const max = 4
  const sockets: PassThrough[] = []
  const enter = (pid: number): boolean => {
    if (!table.admits(`pid:${pid}`, max)) return false
    const socket = new PassThrough()
    const peer = { kind: 'unix', pid, uid: 0, gid: 0, assertAlive: () => {}, release: () => {} }
    table.add(peer as never, socket)
    sockets.push(socket)
    return true
  }
  for (let n = 0; n < max; n++) expect(enter(1)).toBe(true)
  expect([2, 3, 4, 5].map(enter)).toEqual([true, true, true, false])
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([
    ...[false, true, true, true],
    ...[false, false, false],
  ])
  expect([table.size, table.sizeOf('pid:1')]).toEqual([4, 1])
})
