import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { selectorKey } from '../../../model/selector.ts'
import { workloadAttestorContract } from '../workload-attestor.contract.ts'
import { ExecutableHasher } from './executable-hasher.ts'
import { NameDatabase } from './name-database.ts'
import { UnixAttestor, type UnixAttestorOptions } from './unix.ts'

let folder: string
let nowMs = 0
const clock = { ...systemClock, nowMs: () => nowMs }
const process7 = { pid: 7, uid: 1, gid: 2 }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-unix-'))
  mkdirSync(join(folder, '7'))
  writeFileSync(join(folder, 'passwd'), 'root:x:0:0::/:/bin/sh\nweb:x:1001:5::/:\n+nis:x:1002:5\n')
  writeFileSync(join(folder, 'group'), 'root:x:0:\nstaff:x:50:web\n')
  status(
    'Name:\tUid: 9 9\nUmask:\t0022\nUid:\t1000\t1001\t1000\t1000\nGid:\t1\t50\t1\t1\nGroups:\t50 77 \n',
  )
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function status(text: string): void {
  writeFileSync(join(folder, '7', 'status'), text)
}

function attestor(options: Partial<UnixAttestorOptions> = {}): UnixAttestor {
  return new UnixAttestor({
    discoversPath: false,
    sizeLimitBytes: 0,
    clock,
    procPath: folder,
    passwdPath: join(folder, 'passwd'),
    groupPath: join(folder, 'group'),
    ...options,
  })
}

async function keysOf(options: Partial<UnixAttestorOptions> = {}): Promise<readonly string[]> {
  using unix = attestor(options)
  return (await unix.attest(process7)).map(selectorKey)
}

workloadAttestorContract({ describe, it, expect }, 'unix', () => ({
  attestor: attestor(),
  workload: process7,
}))

describe('unix', () => {
  it('refuses a process that is not there', () => {
    expect(() => attestor().attest({ ...process7, pid: 8 })).toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_UNREADABLE',
        message: expect.stringContaining(
          'workloadattestor(unix): failed to get process: process does not exist',
        ),
      }),
    )
  })

  it('refuses a program that cannot be looked at', () => {
    const sut = attestor({ discoversPath: true, sizeLimitBytes: -1 })
    expect(() => sut.attest(process7)).toThrow(
      `workloadattestor(unix): path lookup: readlink ${folder}/7/exe: no such file or directory`,
    )
  })

  it.each(['Gid:\t1\t1\t1\t1\n', 'x\nUid:\t1\nGid:\t1\t1\n', 'x\nUid:\tx\ty\nGid:\t1\t1\n'])(
    'refuses a status without IDs: %j',
    (text) => {
      status(text)
      expect(() => attestor().attest(process7)).toThrow(/no .id: line/)
    },
  )

  it('takes effective IDs, and no line out of a process name', async () => {
    expect(await keysOf()).toEqual([
      'unix:uid:1001',
      'unix:user:web',
      'unix:gid:50',
      'unix:group:staff',
      'unix:supplementary_gid:50',
      'unix:supplementary_group:staff',
      'unix:supplementary_gid:77',
    ])
  })

  it('takes all of very many groups', async () => {
    const groups = Array.from({ length: 60_000 }, (_, i) => i + 100_000)
    status(`x\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t${groups.join(' ')} \nEnd:\t1\n`)
    expect((await keysOf()).length).toBe(4 + 60_000)
  })

  it('leaves names out when the user database is missing, and picks them up when it comes', async () => {
    const users = new NameDatabase({ path: join(folder, 'later'), clock })
    expect(users.find(1)).toBeUndefined()
    writeFileSync(join(folder, 'later'), 'a:x:1:1\nb:x:1:1\n')
    expect(users.find(1)).toBeUndefined()
    nowMs += 1000
    expect(users.find(1)).toBe('a')
    appendFileSync(join(folder, 'later'), 'c:x:2:2\n')
    nowMs += 1000
    expect(users.find(2)).toBe('c')
  })

  it('answers for a real process, by its executable, what the system says', async () => {
    const copy = join(folder, 'program')
    copyFileSync('/bin/sleep', copy)
    const child = spawn(copy, ['60'])
    try {
      await once(child, 'spawn')
      using unix = attestor({ procPath: '/proc', discoversPath: true })
      const found = await unix.attest({ pid: child.pid as number, uid: 0, gid: 0 })
      const digest = createHash('sha256').update(readFileSync(copy)).digest('hex')
      expect(found.map(selectorKey)).toEqual(
        expect.arrayContaining([
          `unix:uid:${process.geteuid?.()}`,
          `unix:path:${copy}`,
          `unix:sha256:${digest}`,
        ]),
      )
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('refuses an executable over the limit, and hashes none below zero', async () => {
    writeFileSync(join(folder, 'program'), 'abc')
    symlinkSync(join(folder, 'program'), join(folder, '7', 'exe'))
    await expect(keysOf({ discoversPath: true, sizeLimitBytes: 2 })).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_TOO_LARGE',
      message: expect.stringContaining('exceeds size limit (3 > 2)'),
    })
    expect((await keysOf({ discoversPath: true, sizeLimitBytes: 3 })).at(-1)).toBe(
      'unix:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect((await keysOf({ discoversPath: true, sizeLimitBytes: -1 })).at(-1)).toBe(
      `unix:path:${join(folder, 'program')}`,
    )
  })
})

describe('hashing', () => {
  it('of one file for many is done once; of many files for one user it is limited, for another not', async () => {
    using hasher = new ExecutableHasher({ maxBytes: 0 })
    const paths = Array.from({ length: 6 }, (_, i) => join(folder, `program${i}`))
    for (const path of paths) writeFileSync(path, randomBytes(4 << 20))
    const same = Array.from({ length: 50 }, () => hasher.hash({ path: paths[0] as string, uid: 1 }))
    const others = paths.slice(1).map((path) => hasher.hash({ path, uid: 1 }))
    const foreign = hasher.hash({ path: paths[5] as string, uid: 2 })
    const results = await Promise.allSettled([...others, foreign])
    expect(results.map(({ status: s }) => s)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    const limited = { reason: { code: 'ERR_WORKLOAD_LIMIT', kind: 'resource-exhausted' } }
    expect(results.slice(3, 5)).toMatchObject([limited, limited])
    expect(new Set(await Promise.all(same)).size).toBe(1)
    await expect(hasher.hash({ path: paths[4] as string, uid: 1 })).resolves.toHaveLength(64)
  })

  it('of what is not there fails', async () => {
    using hasher = new ExecutableHasher({ maxBytes: 0 })
    await expect(hasher.hash({ path: join(folder, 'none'), uid: 1 })).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_UNREADABLE',
    })
  })
})
