import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { boundProbes, probeTimeouts } from './probe-connections.ts'

let server: Server
const sockets: Socket[] = []
beforeEach(async () => {
  server = createServer(probeTimeouts, (_, response) => response.end('well'))
  boundProbes(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

/** A connection from an address of this machine; true: it was taken and answers. */
async function isTaken(localAddress: string): Promise<boolean> {
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  sockets.push(socket)
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  return await new Promise((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
}

describe('a listener that is probed', () => {
  it('has a bounded number of connections, and of each address [gate 11]', async () => {
    const from = (address: string, count: number): Promise<readonly boolean[]> =>
      Promise.all(Array.from({ length: count }, () => isTaken(address)))
    const first = await from('127.0.0.2', 40)
    expect(first.filter(Boolean)).toHaveLength(32)
    expect(await isTaken('127.0.0.3')).toBe(true)
    for (let last = 4; last < 12; last++) await from(`127.0.0.${last}`, 32)
    expect(await isTaken('127.0.0.20')).toBe(false)
    for (const socket of sockets.splice(0)) socket.destroy()
    await expect.poll(() => isTaken('127.0.0.20')).toBe(true)
  })

  it('outlives connections that the system refuses', () => {
    for (let n = 0; n < 3; n++) server.emit('error', new Error('accept EMFILE'))
    expect(server.listening).toBe(true)
  })
})
