import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { TokenFile, type TokenFileOptions } from '@mini-spire/sdk/token-file'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TokenScene } from '../kit/token-scene.ts'

let scene: TokenScene
let folder: string
beforeAll(async () => {
  scene = await TokenScene.start()
})
afterAll(() => scene[Symbol.asyncDispose]())
beforeEach(() => {
  scene.tokens = {}
  folder = mkdtempSync(join(tmpdir(), 'token-file-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const start = (options: Partial<TokenFileOptions> = {}): Promise<TokenFile> =>
  TokenFile.start({
    svids: scene.svids,
    audience: 'sts.amazonaws.com',
    path: join(folder, 'token'),
    ...options,
  })
const content = (): string => readFileSync(join(folder, 'token'), 'utf8')

describe('a token file', () => {
  it('holds a token from the start, for its owner only', async () => {
    using _file = await start()
    expect(content()).toBe(scene.handedOut.at(-1))
    expect(statSync(join(folder, 'token')).mode & 0o777).toBe(0o600)
  })

  it('gets the next token ahead of the end, and the last one stays when it is closed', async () => {
    const clock = new FakeClock(new Date())
    scene.tokens = { ttlSeconds: 7200 }
    const file = await start({ clock, chance: () => 0 })
    const first = content()
    clock.advance(3_601_000)
    await expect.poll(content).not.toBe(first)
    expect(content()).toBe(scene.handedOut.at(-1))
    file.close()
    // A renewal whose file is there may still wait for the folder: it ends with what was closed.
    await expect.poll(() => clock.timerCount).toBe(0)
    expect(content()).toBe(scene.handedOut.at(-1))
  })

  it('keeps the old token while there is no new one, and says so', async () => {
    const clock = new FakeClock(new Date())
    const errors: unknown[] = []
    scene.tokens = { ttlSeconds: 7200 }
    using _file = await start({ clock, chance: () => 0, onError: (error) => errors.push(error) })
    const first = content()
    scene.tokens = { ttlSeconds: -1 }
    clock.advance(3_601_000)
    await expect.poll(() => errors.length).toBe(1)
    expect(errors).toMatchObject([{ code: 'ERR_EXCHANGE_SUBJECT' }])
    expect(content()).toBe(first)
    scene.tokens = { ttlSeconds: 7200 }
    clock.advance(1000)
    await expect.poll(content).not.toBe(first)
  })

  it('that cannot be written is refused with the reason of the system', async () => {
    await expect(start({ path: join(folder, 'no', 'token') })).rejects.toMatchObject({
      code: 'ENOENT',
    })
    await expect(start({ path: '' })).rejects.toMatchObject({ code: 'ERR_EXCHANGE_OPTION' })
  })

  it('is given up on when the caller stops waiting', async () => {
    const svids = { fetchJwtSvid: () => new Promise<never>(() => {}) }
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(start({ svids, signal })).rejects.toThrow('enough')
  })
})
