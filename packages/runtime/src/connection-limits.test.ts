import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { ConnectionLimits } from './connection-limits.ts'

const limits = { maxConnections: 4, maxConnectionsPerAddress: 1 }

it('counts IPv6 addresses of one network as one, and IPv4 addresses that come in by IPv6 each for itself', () => {
  const connections = new ConnectionLimits(limits)
  connections.add(new Socket(), '2001:db8:0:1::1')
  expect(connections.hasRoom('2001:db8:0:1:ffff::2')).toBe(false)
  expect(connections.hasRoom('2001:db8:0:2::1')).toBe(true)
  connections.add(new Socket(), '::ffff:192.0.2.1')
  expect(connections.hasRoom('192.0.2.1')).toBe(false)
  expect(connections.hasRoom('::ffff:192.0.2.2')).toBe(true)
})

it('has room again when a connection of the network has been closed', async () => {
  const connections = new ConnectionLimits(limits)
  const socket = new Socket()
  connections.add(socket, '2001:db8::1')
  expect(connections.hasRoom('2001:db8::2')).toBe(false)
  socket.destroy()
  await new Promise((resolve) => socket.once('close', resolve))
  expect(connections.hasRoom('2001:db8::2')).toBe(true)
})
