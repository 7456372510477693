import { writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { descriptorsOf } from '../kit/process-use.ts'
import { freePort, ours, Scene } from '../kit/processes.ts'

const path = '/.well-known/openid-configuration'

/** Undefined when the provider does not take the connection. */
function statusOf(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asked = { host: '127.0.0.1', port, path, headers: { host: 'oidc.test' }, agent: false }
    const sent = get(asked, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.once('error', () => resolve(undefined))
  })
}

function opened(port: number, bytes: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.on('error', () => {})
      socket.write(bytes)
      resolve(socket)
    })
  })
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) return resolve()
    socket.once('close', () => resolve())
    socket.resume()
  })

it('an OIDC provider that is flooded with connections that say nothing, or little, is there again ten seconds later', async () => {
  await using scene = new Scene()
  const port = await freePort()
  writeFileSync(
    scene.path('oidc.conf'),
    `domains = ["oidc.test"] insecure_addr = "127.0.0.1:${port}"
    file { path = "/nowhere" }`,
  )
  const provider = scene.start(ours.oidcProvider, ['-config', scene.path('oidc.conf')])
  await provider.waitFor('Serving HTTP (insecure)')
  expect(await statusOf(port)).toBe(200)
  const heads = ['', 'GET /keys HTTP/1.1\r\n', 'GET /keys HTTP/1.1\r\nhost: oidc.test\r\nx: ']
  const sockets: Socket[] = []
  for (let count = 0; count < 1_500; count++) {
    sockets.push(await opened(port, heads[count % heads.length] ?? ''))
  }
  expect(await statusOf(port)).toBeUndefined()
  const descriptors = descriptorsOf(provider)
  expect(descriptors).toBeLessThan(1_024 + 64)
  await Promise.all(sockets.map(closed))
  expect(await statusOf(port)).toBe(200)
})
