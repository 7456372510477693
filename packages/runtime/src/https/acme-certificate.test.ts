import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { HttpScene, issue } from '../http/http.test-kit.ts'
import { HttpError, type HttpRequest } from '../http/http-client.ts'
import { type Logger, silentLogger } from '../log/logger.ts'
import { AcmeAccount } from './acme-account.ts'
import { AcmeCertificate } from './acme-certificate.ts'
import { AcmeCertificates } from './acme-certificates.ts'
import { newAccountKey, orderCertificate } from './acme-order.ts'

// A certificate that is really ordered: test/interop/acme.test.ts.
const scene = new HttpScene()
afterEach(() => scene.close())

function certificate(log: Logger, request: (request: HttpRequest) => Promise<never>) {
  const cacheDirectory = scene.folder()
  const clock = new FakeClock()
  const made = new AcmeCertificate({
    directoryUrl: 'https://ca.test/dir',
    domainName: 'bundle.test',
    email: '',
    isTosAccepted: true,
    account: new AcmeAccount(cacheDirectory),
    cacheDirectory,
    userAgent: 'test',
    http: { request },
    clock,
    log,
    chance: () => 0.5,
  })
  return { made, cacheDirectory, clock }
}

const away = (): Promise<never> => Promise.reject(new HttpError('ERR_HTTP_UNREACHABLE', 'away'))

describe('an account at an ACME authority', () => {
  it('has one key, whoever asks first and in whichever run', async () => {
    const folder = scene.folder()
    const account = new AcmeAccount(folder)
    const [one, other] = await Promise.all([account.key(), account.key()])
    expect(one).toBe(other)
    expect(await new AcmeAccount(folder).key()).toBe(one)
  })

  it("is SPIRE's, when SPIRE's program had one here", async () => {
    const folder = scene.folder()
    const { key } = await issue('bundle.test')
    writeFileSync(join(folder, 'acme_account+key'), key)
    expect(await new AcmeAccount(folder).key()).toBe(key)
  })
})

describe('certificates by ACME for several names', () => {
  it('are kept apart: each name is shown its own, another one none', async () => {
    const cacheDirectory = scene.folder()
    const [a, b] = [await issue('a.test'), await issue('b.test')]
    writeFileSync(join(cacheDirectory, 'a.test.pem'), a.key + a.cert)
    const made = new AcmeCertificates({
      directoryUrl: 'https://ca.test/dir',
      domainNames: ['a.test', 'b.test'],
      email: '',
      isTosAccepted: true,
      cacheDirectory,
      userAgent: 'test',
      http: { request: away },
      clock: new FakeClock(),
      log: silentLogger,
      chance: () => 0.5,
    })
    await made.load()
    expect(made.find('a.test')).toEqual({ key: a.key, cert: a.cert })
    expect(made.find('b.test')).toBeUndefined()
    writeFileSync(join(cacheDirectory, 'b.test.pem'), b.key + b.cert)
    await made.load()
    expect(made.find('B.test')).toEqual({ key: b.key, cert: b.cert })
    expect(made.find('c.test')).toBeUndefined()
    expect(made.find('')).toBeUndefined()
    expect(made.isChallenged).toBe(false)
    expect(made.findChallenge('a.test')).toBeUndefined()
  })
})

describe('a certificate by ACME', () => {
  it('of an earlier run is taken over, and not when it cannot be used', async () => {
    const { made, cacheDirectory } = certificate(silentLogger, away)
    await made.load()
    expect(made.current()).toBeUndefined()
    const [one, other] = [await issue('bundle.test'), await issue('bundle.test')]
    writeFileSync(join(cacheDirectory, 'bundle.test.pem'), other.key + one.cert)
    await made.load()
    expect(made.current()).toBeUndefined()
    writeFileSync(join(cacheDirectory, 'bundle.test.pem'), one.key + one.cert)
    await made.load()
    expect(made.current()).toEqual({ key: one.key, cert: one.cert })
  })

  it("of SPIRE's is taken over, until there is one of ours", async () => {
    const { made, cacheDirectory } = certificate(silentLogger, away)
    const [theirs, ours] = [await issue('bundle.test'), await issue('bundle.test')]
    writeFileSync(join(cacheDirectory, 'bundle.test'), theirs.key + theirs.cert)
    await made.load()
    expect(made.current()).toEqual({ key: theirs.key, cert: theirs.cert })
    writeFileSync(join(cacheDirectory, 'bundle.test.pem'), ours.key + ours.cert)
    await made.load()
    expect(made.current()).toEqual({ key: ours.key, cert: ours.cert })
  })

  it('that cannot be had is tried for again, a minute later and then more rarely', async () => {
    let onFailure = (): void => {}
    const errors: unknown[] = []
    const log: Logger = {
      ...silentLogger,
      error: (_message, fields) => {
        errors.push(fields?.['error'])
        onFailure()
      },
    }
    const { made, clock } = certificate(log, away)
    const failure = (): Promise<void> =>
      new Promise((resolve) => {
        onFailure = resolve
      })
    const stopping = new AbortController()
    let next = failure()
    const running = made.run(stopping.signal)
    for (const waitMs of [60_000, 90_000]) {
      await next
      await new Promise(setImmediate)
      next = failure()
      clock.advance(waitMs)
    }
    await next
    stopping.abort()
    await running
    expect(errors).toHaveLength(3)
    expect(errors[0]).toContain('no certificate for bundle.test: ')
  })

  it('does not keep the server from stopping while it is ordered', async () => {
    const { made } = certificate(silentLogger, () => new Promise(() => {}))
    const stopping = new AbortController()
    const running = made.run(stopping.signal)
    stopping.abort()
    await running
  })

  it('fails with the reason', async () => {
    const order = orderCertificate({
      directoryUrl: 'https://ca.test/dir',
      domainName: 'bundle.test',
      email: '',
      isTosAccepted: false,
      accountKey: await newAccountKey(),
      userAgent: 'test',
      http: { request: away },
      prove: () => () => {},
    })
    await expect(order).rejects.toMatchObject({ code: 'ERR_HTTPS_ACME' })
  })
})
