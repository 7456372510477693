import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { HttpScene, issue } from '../http/http.test-kit.ts'
import { type Logger, silentLogger } from '../log/logger.ts'
import { FileCertificate } from './file-certificate.ts'

const scene = new HttpScene()
afterEach(() => scene.close())

it('takes over files that fit together, and keeps what it has otherwise', async () => {
  const folder = scene.folder()
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const clock = new FakeClock()
  const lines: string[] = []
  let onLine = (): void => {}
  const record = (message: string): void => {
    lines.push(message)
    onLine()
  }
  const log: Logger = { ...silentLogger, info: record, error: record }
  const certificate = new FileCertificate({ certFile, keyFile, syncIntervalMs: 1000, clock, log })
  await expect(certificate.load()).rejects.toMatchObject({
    code: 'ERR_HTTPS_CERTIFICATE',
    message: expect.stringMatching(/^open .*cert\.pem: no such file or directory$/),
  })
  const [first, second] = [await issue('one.test'), await issue('two.test')]
  writeFileSync(certFile, first.cert)
  writeFileSync(keyFile, second.key)
  await expect(certificate.load()).rejects.toMatchObject({ code: 'ERR_HTTPS_CERTIFICATE' })
  writeFileSync(keyFile, first.key)
  await certificate.load()
  const loaded = certificate.current()
  expect(loaded).toEqual({ cert: first.cert, key: first.key })

  const stopping = new AbortController()
  const running = certificate.run(stopping.signal)
  const nextLine = (): Promise<void> =>
    new Promise((resolve) => {
      onLine = resolve
    })
  writeFileSync(certFile, second.cert)
  const failed = nextLine()
  clock.advance(1000)
  await failed
  expect(certificate.current()).toBe(loaded)
  await new Promise(setImmediate)
  writeFileSync(keyFile, second.key)
  const renewed = nextLine()
  clock.advance(1000)
  await renewed
  expect(certificate.current()).toEqual({ cert: second.cert, key: second.key })
  stopping.abort()
  await running
  expect(lines).toEqual([
    'Started watching certificate files',
    expect.stringMatching(/^Failed to load certificate: /),
    'Loaded provided certificate with success',
    'Stopping file watcher',
  ])
})
