import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { parseCertificate } from '@mini-spire/sdk/x509'
import { expect, it } from 'vitest'
import { AuthorityStatus } from '../model/authority.ts'
import type { AuthorityManager } from './authority-manager.ts'
import { TestState } from './ca.test-kit.ts'
import { caCause } from './journal.ts'
import type { LocalAuthorities } from './local-authorities.ts'

const hourMs = 3600_000
const cause = caCause('test')
const kinds = ['X509', 'Jwt'] as const
type Kind = (typeof kinds)[number]

/** What operators have been told: a crash may not take it back. */
interface Acknowledged {
  readonly prepared: Map<Kind, string>
  readonly tainted: Set<string>
  readonly revoked: Set<string>
}

/** Counts everything that reaches disk or key manager; the process dies at one of them, before or after it is done. */
class Crash {
  hasHappened = false
  readonly #at: number
  readonly #side: 'before' | 'after'
  #count = 0

  constructor(at: number, side: 'before' | 'after') {
    this.#at = at
    this.#side = side
  }

  before(): void {
    if (!this.hasHappened && ++this.#count === this.#at && this.#side === 'before')
      this.hasHappened = true
    this.#die()
  }

  after(): void {
    if (this.#count === this.#at && this.#side === 'after') this.hasHappened = true
    this.#die()
  }

  #die(): void {
    if (this.hasHappened) throw new Error('killed')
  }
}

function crashingKeys(inner: KeyManager, crash: Crash): KeyManager {
  return {
    generateKey: async (id, type) => {
      crash.before()
      const key = await inner.generateKey(id, type)
      crash.after()
      return key
    },
    getKey: (id) => inner.getKey(id),
    findKey: (id) => inner.findKey(id),
    listKeys: () => inner.listKeys(),
  }
}

const statesOf = (local: LocalAuthorities, kind: Kind) =>
  kind === 'X509' ? local.x509States() : local.jwtStates()

/**
 * A whole forced rotation, then a preparation by hand, then a tick of the schedule. A failure to remember something is only
 * logged, so that the process seems to go on after its death: `isDead` says when nobody is told anything any more.
 */
async function live(
  manager: AuthorityManager,
  state: TestState,
  told: Acknowledged,
  isDead: () => boolean,
): Promise<void> {
  const tell = (say: () => void): void => {
    if (isDead()) throw new Error('killed')
    say()
  }
  await manager.start()
  const { local } = manager
  for (const kind of kinds) {
    const former = statesOf(local, kind).active?.authorityId ?? ''
    const { authorityId } = await local[`prepare${kind}`]()
    tell(() => told.prepared.set(kind, authorityId))
    await local[`activate${kind}`](authorityId)
    tell(() => told.prepared.delete(kind))
    await local[`taint${kind}`](former, cause)
    tell(() => told.tainted.add(former))
    await local[`revoke${kind}`](former, cause)
    tell(() => told.revoked.add(former))
  }
  for (const kind of kinds) {
    const { authorityId } = await local[`prepare${kind}`]()
    tell(() => told.prepared.set(kind, authorityId))
  }
  state.clock.advance(hourMs)
  await manager.tick()
}

/** What the bundle publishes of a kind, by ID. */
function published(state: TestState, kind: Kind) {
  const bundle = state.bundle().get()
  if (kind === 'Jwt')
    return bundle?.jwtAuthorities.map(({ keyId, tainted }) => ({ id: keyId, tainted })) ?? []
  return (
    bundle?.x509Authorities.map(({ certificate, tainted }) => ({
      id: Buffer.from(parseCertificate(certificate).subjectKeyId ?? []).toString('hex'),
      tainted,
    })) ?? []
  )
}

function expectSound(state: TestState, manager: AuthorityManager, told: Acknowledged): void {
  for (const kind of kinds) {
    const states = statesOf(manager.local, kind)
    const inBundle = published(state, kind)
    const activeId = states.active?.authorityId
    expect(inBundle).toContainEqual(expect.objectContaining({ id: activeId, tainted: false }))
    const prepared = told.prepared.get(kind)
    if (prepared !== undefined)
      expect([states.prepared?.authorityId, activeId], 'the prepared survives').toContain(prepared)
    for (const { id, tainted } of inBundle) {
      expect(told.revoked.has(id), 'what was revoked stays away').toBe(false)
      if (told.tainted.has(id)) expect(tainted, 'what was tainted stays tainted').toBe(true)
    }
  }
  expect(manager.x509().notAfterSeconds * 1000).toBeGreaterThan(state.clock.nowMs())
  const [journal, ...others] = state.registry.journals.values()
  expect(others).toEqual([])
  for (const list of [journal?.x509Authorities, journal?.jwtAuthorities])
    expect(list?.filter(({ status }) => status === AuthorityStatus.Active)).toHaveLength(1)
}

/** Dies at one point, starts again, and goes on; whether that point was reached. */
async function scenario(at: number, side: 'before' | 'after'): Promise<boolean> {
  const state = new TestState()
  const crash = new Crash(at, side)
  state.beforeCommit = () => crash.before()
  state.afterCommit = () => crash.after()
  const told: Acknowledged = {
    prepared: new Map(),
    tainted: new Set(),
    revoked: new Set(),
  }
  const doomed = state.manager({ keyManager: crashingKeys(state.keyManager, crash) })
  await live(doomed, state, told, () => crash.hasHappened).catch(() => {})
  state.beforeCommit = () => {}
  state.afterCommit = () => {}

  const again = state.manager()
  await again.start()
  expectSound(state, again, told)
  // A second start changes nothing: recovery is complete after the first.
  const third = state.manager()
  await third.start()
  expect(third.x509().authorityId).toBe(again.x509().authorityId)
  expect(third.jwt().keyId).toBe(again.jwt().keyId)
  await live(third, state, { ...told, prepared: new Map() }, () => false)
  return crash.hasHappened
}

it.each(['before', 'after'] as const)(
  'a server killed %s any write or new key signs only with what is published and untainted',
  async (side) => {
    let at = 1
    while (await scenario(at, side)) at++
    expect(at).toBeGreaterThan(25)
  },
)
