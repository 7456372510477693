import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { startZombie } from '@mini-spire/runtime/peer/zombie.test-kit'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { afterEach, describe, expect, it } from 'vitest'
import { SelectorSet } from '../model/selector-set.ts'
import type { WorkloadReference } from '../model/workload-reference.ts'
import type { ReferencedWorkload } from '../plugins/workload-attestor/workload-attestor.ts'
import { ReferenceResolver } from './resolve-reference.ts'
import { ReferenceAttestationError } from './workload-attestation-error.ts'

const broker = SpiffeId.parse('spiffe://example.org/broker')
const { signal } = new AbortController()
const object: WorkloadReference = {
  typeUrl: 'object',
  encoded: new Uint8Array(),
  subject: { kind: 'kubernetes', object: { type: undefined, key: undefined, uid: 'u' } },
}
const processReference = (pid: number): WorkloadReference => ({
  typeUrl: 'process',
  encoded: new Uint8Array(),
  subject: { kind: 'process', pid },
})

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function start(command: string, ...args: readonly string[]): ChildProcess & { pid: number } {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  closers.push(() => child.kill('SIGKILL'))
  if (child.pid === undefined) throw new Error(`no ${command}`)
  return child as ChildProcess & { pid: number }
}

function ended(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('exit', resolve))
}

const looks = (value: string): SelectorSet => new SelectorSet([{ type: 'k8s', value }])

function setUp() {
  const clock = new FakeClock()
  const asked: ReferencedWorkload[] = []
  const world = { answer: (): Promise<SelectorSet> => Promise.resolve(looks('pod-name:web')) }
  const resolver = new ReferenceResolver({
    attestation: {
      attestReference: (workload) => {
        asked.push(workload)
        return world.answer()
      },
    },
    clock,
    log: silentLogger,
  })
  const resolve = (reference: WorkloadReference) => resolver.resolve({ reference, broker }, signal)
  return { clock, asked, world, resolve }
}

const notThere = { code: 'ERR_WORKLOAD_NOT_THERE', kind: 'not-found' }
const changed = { code: 'ERR_WORKLOAD_CHANGED', kind: 'unavailable' }

describe('a process that a broker names', () => {
  it('is attested with its own user, held until it is let go, and its end ends what is told', async () => {
    const { clock, asked, resolve } = setUp()
    const child = start('sleep', '60')
    const workload = await resolve(processReference(child.pid))
    expect(asked).toMatchObject([
      { broker, process: { pid: child.pid, uid: process.getuid?.(), gid: process.getgid?.() } },
    ])
    await workload.assertSame()
    clock.advance(5_000)
    expect(workload.ended.aborted).toBe(false)
    child.kill('SIGKILL')
    await ended(child)
    await expect(workload.assertSame()).rejects.toMatchObject(notThere)
    expect(workload.ended.aborted).toBe(false)
    clock.advance(5_000)
    expect(workload.ended.reason).toMatchObject(notThere)
    workload[Symbol.dispose]()
    expect(clock.timerCount).toBe(0)
  })

  it('is not there when nobody, a zombie or a thread has the number', async () => {
    const { asked, resolve } = setUp()
    await expect(resolve(processReference(2 ** 22 + 1))).rejects.toMatchObject(notThere)
    const { pid, parent } = await startZombie()
    closers.push(() => parent.kill('SIGKILL'))
    await expect(resolve(processReference(pid))).rejects.toMatchObject(notThere)
    expect(asked).toEqual([])
  })

  it('is not there when it ends while it is looked at: its number may be another one by then', async () => {
    const { world, resolve } = setUp()
    const child = start('sleep', '60')
    world.answer = async () => {
      child.kill('SIGKILL')
      await ended(child)
      return looks('pod-name:recycled')
    }
    await expect(resolve(processReference(child.pid))).rejects.toMatchObject(notThere)
  })

  it('is another when it runs another program', async () => {
    const { clock, resolve } = setUp()
    const child = start('sh', '-c', 'read line; exec sleep 60')
    const workload = await resolve(processReference(child.pid))
    const before = readFileSync(`/proc/${child.pid}/comm`, 'latin1')
    child.stdin?.write('go\n')
    while (readFileSync(`/proc/${child.pid}/comm`, 'latin1') === before)
      await new Promise((done) => setImmediate(done))
    await expect(workload.assertSame()).rejects.toMatchObject(changed)
    clock.advance(5_000)
    expect(workload.ended.reason).toMatchObject(changed)
    workload[Symbol.dispose]()
  })

  it('costs no descriptor when it cannot be attested', async () => {
    const { world, resolve, clock } = setUp()
    world.answer = () => Promise.reject(new ReferenceAttestationError('internal', 'no'))
    for (let n = 0; n < 3; n++)
      await expect(resolve(processReference(process.pid))).rejects.toMatchObject({
        code: 'ERR_WORKLOAD_REFERENCE_FAILED',
      })
    expect(clock.timerCount).toBe(0)
  })
})

describe('an object that a broker names', () => {
  it('is looked at again before more is told, unless that was just now', async () => {
    const { clock, asked, world, resolve } = setUp()
    const workload = await resolve(object)
    expect(asked).toMatchObject([{ process: undefined }])
    await workload.assertSame()
    expect(asked).toHaveLength(1)
    clock.advance(5_000)
    await workload.assertSame()
    expect(asked).toHaveLength(2)
    world.answer = () => Promise.resolve(looks('pod-name:other'))
    clock.advance(5_000)
    await expect(workload.assertSame()).rejects.toMatchObject(changed)
    workload[Symbol.dispose]()
  })

  it.each(['not-found', 'permission-denied', 'invalid-argument'] as const)(
    'that is refused as %s is told nothing more about',
    async (kind) => {
      const { clock, world, resolve } = setUp()
      const workload = await resolve(object)
      world.answer = () => Promise.reject(new ReferenceAttestationError(kind, 'gone'))
      clock.advance(5_000)
      await expect(workload.assertSame()).rejects.toMatchObject({ kind, message: 'gone' })
    },
  )

  it('is served on while nobody can say anything about it', async () => {
    const { clock, world, resolve } = setUp()
    const workload = await resolve(object)
    world.answer = () => Promise.reject(new ReferenceAttestationError('unavailable', 'no kubelet'))
    clock.advance(5_000)
    await workload.assertSame()
    expect(workload.ended.aborted).toBe(false)
  })
})
