import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BootstrapUse, emptyAgentState } from './agent-state.ts'
import { FileStorage } from './file-storage.ts'

const der = Uint8Array.from({ length: 100 }, (_, i) => i)
let directory: string
let path: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'agent-storage-'))
  path = join(directory, 'agent-data.json')
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('the state file', () => {
  it.each([
    ['half of a file', '{"svid":["LS0t'],
    ['a list', '[]'],
    ['an SVID that is text', '{"svid":"x"}'],
    ['an SVID that is DER', `{"svid":["${Buffer.from(der).toString('base64')}"]}`],
    ['a flag that is a number', '{"reattestable":1}'],
    ['a time that is none', '{"bootstrap_start_time":"yesterday"}'],
  ])('is refused when it holds %s, and the error names the file', async (_, text) => {
    await writeFile(path, text)
    await expect(FileStorage.open(directory)).rejects.toMatchObject({
      code: 'ERR_STATE_CORRUPT',
      message: expect.stringContaining(path),
    })
  })

  it('is refused when it cannot be read', async () => {
    await rm(directory, { recursive: true })
    await writeFile(directory, '')
    await expect(FileStorage.open(directory)).rejects.toMatchObject({
      code: 'ERR_STATE_UNREADABLE',
    })
  })

  it('that is missing is an agent that has never run', async () => {
    expect((await FileStorage.open(directory)).state).toEqual(emptyAgentState)
  })

  it('has the form that SPIRE writes: base64 of PEM text, null for none, the zero time', async () => {
    const storage = await FileStorage.open(directory)
    await storage.update({ svid: [der], isReattestable: true })
    const json = JSON.parse(await readFile(path, 'utf8'))
    const pem = Buffer.from(json.svid[0], 'base64').toString()
    expect(pem).toMatch(/^-----BEGIN CERTIFICATE-----\n[\w+/=\n]+\n-----END CERTIFICATE-----\n$/)
    expect(Math.max(...pem.split('\n').map((line) => line.length))).toBe(64)
    expect({ ...json, svid: 1 }).toEqual({
      svid: 1,
      bundle: null,
      reattestable: true,
      bootstrap_use: 0,
      bootstrap_start_time: '0001-01-01T00:00:00Z',
      connection_attempts: 0,
    })
    expect(Object.keys(json)[0]).toBe('svid')
  })

  it('comes back as it was written', async () => {
    const state = {
      svid: [der, der.subarray(1)],
      bundle: [der],
      isReattestable: true,
      bootstrapUse: BootstrapUse.Rebootstrap,
      bootstrapStartTime: new Date('2026-11-24T10:00:00.123Z'),
      connectionAttempts: 3,
    }
    await (await FileStorage.open(directory)).update(state)
    const read = (await FileStorage.open(directory)).state
    expect(read.svid.map((c) => [...c])).toEqual(state.svid.map((c) => [...c]))
    expect({ ...read, svid: 0, bundle: 0 }).toEqual({ ...state, svid: 0, bundle: 0 })
  })

  it('reads times with nine digits and an offset', async () => {
    await writeFile(path, '{"bootstrap_start_time":"2026-11-24T12:00:00.123456789+02:00"}')
    const { state } = await FileStorage.open(directory)
    expect(state.bootstrapStartTime?.toISOString()).toBe('2026-11-24T10:00:00.123Z')
  })

  it('is readable by its owner only, whatever mode it had', async () => {
    await writeFile(path, '{}')
    await chmod(path, 0o644)
    await (await FileStorage.open(directory)).update({ svid: [der] })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['agent-data.json'])
  })

  it('takes changes that come at once one after the other; the last state is on disk', async () => {
    const storage = await FileStorage.open(directory)
    await Promise.all([
      storage.update({ svid: [der] }),
      storage.update({ isReattestable: true }),
      storage.update({ connectionAttempts: 9 }),
    ])
    const { state } = await FileStorage.open(directory)
    expect([state.svid.length, state.isReattestable, state.connectionAttempts]).toEqual([
      1,
      true,
      9,
    ])
  })

  it('says so when it cannot be written, and keeps the change in memory', async () => {
    const storage = await FileStorage.open(directory)
    await rm(directory, { recursive: true })
    await expect(storage.update({ connectionAttempts: 1 })).rejects.toMatchObject({
      code: 'ERR_STATE_UNWRITABLE',
    })
    expect(storage.state.connectionAttempts).toBe(1)
  })
})
