import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import { createClient, openLoopbackChannel, openSvidChannel } from './client.ts'
import { inGoWords } from './go-words.ts'

/** A port on which whoever connects is treated so; undefined: nobody listens. */
async function portOf(treat: ((end: () => void) => void) | undefined): Promise<{
  readonly port: number
  close(): void
}> {
  const server = createServer((socket) => treat?.(() => socket.on('error', () => {}).destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('no address')
  if (!treat) await new Promise((resolve) => server.close(resolve))
  return { port: address.port, close: () => server.close() }
}

const unavailable = (reason: string): string =>
  `rpc error: code = Unavailable desc = connection error: desc = "${reason}"`

describe('a call that never came through says why, as Go does', () => {
  it('when nobody listens', async () => {
    const { port } = await portOf(undefined)
    using channel = openLoopbackChannel({ host: '127.0.0.1', port })
    await expect(createClient(HealthService, channel).check({ service: '' })).rejects.toThrow(
      unavailable(
        `transport: Error while dialing: dial tcp 127.0.0.1:${port}: connect: connection refused`,
      ),
    )
  })

  it('when the connection ends before the handshake', async () => {
    const { port, close } = await portOf((end) => end())
    using channel = openSvidChannel({
      address: '127.0.0.1',
      port,
      svid: () => undefined,
      verifyServer: () => {},
    })
    await expect(createClient(HealthService, channel).check({ service: '' })).rejects.toThrow(
      /desc = connection error: desc = "transport: (authentication handshake failed: EOF|read ECONNRESET)"$/,
    )
    close()
  })

  it('when the connection ends before the first call', async () => {
    const { port, close } = await portOf((end) => end())
    using channel = openLoopbackChannel({ host: '127.0.0.1', port })
    await expect(createClient(HealthService, channel).check({ service: '' })).rejects.toThrow(
      /desc = connection error: desc = "(error reading server preface: EOF|transport: read ECONNRESET)"$/,
    )
    close()
  })

  it.each([
    [
      'No connection established. Last error: Error: connect ENOENT /run/api.sock. Resolution note: ',
      'connection error: desc = "transport: Error while dialing: dial unix /run/api.sock: connect: no such file or directory"',
    ],
    [
      'No connection established. Last error: Error: connect ETIMEDOUT [::1]:8081 (2026-11-30T03:57:04.318Z). Resolution note: x',
      'connection error: desc = "transport: Error while dialing: dial tcp [::1]:8081: connect: connection timed out"',
    ],
    [
      'No connection established. Last error: Error: authentication handshake failed: no "root". Resolution note: ',
      'connection error: desc = "transport: authentication handshake failed: no \\"root\\""',
    ],
    [
      'No connection established. Last error: Protocol error (2026-11-30T03:57:04.318Z). Resolution note: ',
      'connection error: desc = "error reading server preface: protocol error"',
    ],
    ['Connection dropped', 'error reading from server: EOF'],
    [
      'Received HTTP status code 503',
      'unexpected HTTP status code received from server: 503 (Service Unavailable)',
    ],
    ['agent not found', 'agent not found'],
  ])('%s', (library, go) => {
    expect(inGoWords(library)).toBe(go)
  })
})
