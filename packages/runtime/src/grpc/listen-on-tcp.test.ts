import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import { plainAddress } from '../client-address.ts'
import { listenOnTcp } from './listen-on-tcp.ts'

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
)

/** Which of the loopback addresses a listener there answers, and whom it sees. */
async function seenFrom(host: string | undefined): Promise<readonly string[]> {
  const server = createServer()
  const { port } = await listenOnTcp(server, { host, port: 0 })
  const seen: string[] = []
  for (const from of hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
    const accepted = once(server, 'connection')
    const socket = connect({ host: from, port })
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    if (isOpen) seen.push(plainAddress((await accepted)[0].remoteAddress))
    socket.destroy()
  }
  server.close()
  return seen
}

const everywhere = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']

describe('listenOnTcp', () => {
  it.each([
    ['0.0.0.0', everywhere],
    ['', everywhere],
    [undefined, everywhere],
    ['127.0.0.1', ['127.0.0.1']],
    ['::ffff:127.0.0.1', ['127.0.0.1']],
  ])('%j is reached as from Go’s listener', async (host, expected) => {
    expect(await seenFrom(host)).toEqual(expected)
  })

  it.skipIf(!hasIpv6)('"::1" is reached by IPv6 alone', async () => {
    expect(await seenFrom('::1')).toEqual(['::1'])
  })

  it('says in Go’s words that the address is taken or not ours', async () => {
    const first = createServer()
    const { host, port } = await listenOnTcp(first, { host: '127.0.0.1', port: 0 })
    await expect(listenOnTcp(createServer(), { host, port })).rejects.toMatchObject({
      code: 'ERR_LISTEN_FAILED',
      message: `listen tcp 127.0.0.1:${port}: bind: address already in use`,
    })
    first.close()
    await expect(listenOnTcp(createServer(), { host: '192.0.2.1', port: 1 })).rejects.toThrow(
      'listen tcp 192.0.2.1:1: bind: cannot assign requested address',
    )
  })
})
