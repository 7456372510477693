import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import {
  BasicConstraintsExtension,
  KeyUsagesExtension,
  X509Certificate as Peculiar,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { AuthorityStatus } from '../model/authority.ts'
import { TestState } from './ca.test-kit.ts'
import { caCause, Journal } from './journal.ts'
import { keyIdFromBytes } from './jwt-key.ts'
import { pruneJournals } from './prune-journals.ts'

const hourMs = 3600_000
const minuteMs = 60_000

const journalOf = (state: TestState) => [...state.registry.journals.values()]
const rootCount = (state: TestState): number => state.bundle().get()?.x509Authorities.length ?? 0

/** A key manager that fails when it is told to. */
function failing(inner: KeyManager, fails: () => boolean): KeyManager {
  return {
    generateKey: async (id, type) => {
      if (fails()) throw new Error('no key today')
      return await inner.generateKey(id, type)
    },
    getKey: (id) => inner.getKey(id),
    findKey: (id) => inner.findKey(id),
    listKeys: () => inner.listKeys(),
  }
}

describe('before it was started, an authority manager', () => {
  it('says that nothing can be signed', () => {
    const manager = new TestState().manager()
    expect(() => manager.x509()).toThrow(
      expect.objectContaining({
        code: 'ERR_X509_CA_UNAVAILABLE',
        message: 'X509 CA is not available for signing',
      }),
    )
    expect(() => manager.jwt()).toThrow(
      expect.objectContaining({
        code: 'ERR_JWT_KEY_UNAVAILABLE',
        message: 'JWT key is not available for signing',
      }),
    )
  })

  it('does not start without a key', async () => {
    const state = new TestState()
    const manager = state.manager({ keyManager: failing(state.keyManager, () => true) })
    await expect(manager.start()).rejects.toThrow('no key today')
    expect(state.log.messages).toContain('Unable to rotate X509 CA')
    expect(rootCount(state)).toBe(0)
  })

  it('does not start when the bundle cannot be written', async () => {
    const state = new TestState()
    state.beforeCommit = () => {
      throw new Error('disk full')
    }
    await expect(state.manager().start()).rejects.toThrow('disk full')
  })
})

describe('the first start', () => {
  it('makes a root as SPIRE makes it, in the bundle and in the journal', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    const ca = manager.x509()
    const read = new Peculiar(Buffer.from(ca.certificate))
    const decimal = BigInt(`0x${read.serialNumber}`).toString()
    expect(read.subject).toBe(`C=US, O=SPIFFE, 2.5.4.5=${decimal}`)
    expect(read.issuer).toBe(read.subject)
    expect(read.notBefore.getTime()).toBe(state.clock.nowMs() - 10_000)
    expect(read.notAfter.getTime()).toBe(state.clock.nowMs() + 24 * hourMs)
    expect(read.getExtension(KeyUsagesExtension)?.usages).toBe(32 | 64)
    expect(read.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: true })
    expect(read.getExtension(SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([
      { type: 'url', value: 'spiffe://example.org' },
    ])
    const node = new X509Certificate(ca.certificate)
    expect(node.verify(node.publicKey)).toBe(true)
    const jwt = manager.jwt()
    expect(jwt.keyId).toMatch(/^[a-zA-Z0-9]{32}$/)
    expect(state.bundle().get()).toMatchObject({
      x509Authorities: [{ certificate: ca.certificate, tainted: false }],
      jwtAuthorities: [
        {
          keyId: jwt.keyId,
          publicKey: jwt.key.publicKey,
          expiresAtSeconds: state.clock.nowMs() / 1000 + 24 * 3600,
        },
      ],
    })
    expect(journalOf(state)).toMatchObject([
      {
        activeX509AuthorityId: ca.authorityId,
        x509Authorities: [{ slotId: 'A', status: AuthorityStatus.Active, upstreamAuthorityId: '' }],
        jwtAuthorities: [{ slotId: 'A', status: AuthorityStatus.Active, keyId: jwt.keyId }],
      },
    ])
    expect(state.log.messages).toEqual([
      'There is not a CA journal record that matches any of the local X509 authority IDs',
      'Journal loaded',
      'X509 CA prepared',
      'X509 CA activated',
      'Creating a new CA journal entry',
      'JWT key prepared',
      'JWT key activated',
    ])
    expect(state.log.debugLines).toContainEqual({
      message: 'Successfully rotated X.509 CA',
      fields: { trust_domain_id: 'spiffe://example.org', ttl: 24 * 3600 },
    })
    expect(state.log.lines[2]?.fields).toEqual({
      slot: 'A',
      issued_at: state.clock.now(),
      expiration: new Date(state.clock.nowMs() + 24 * hourMs),
      self_signed: true,
      local_authority_id: ca.authorityId,
      upstream_authority_id: '',
    })
  })

  it('makes no JWT authority when JWT-SVIDs are disabled', async () => {
    const state = new TestState()
    const manager = state.manager({ isJwtDisabled: true })
    await manager.start()
    expect(() => manager.jwt()).toThrow('JWT key is not available for signing')
    await expect(manager.local.prepareJwt()).rejects.toThrow('JWT functionality is disabled')
    expect(state.bundle().get()?.jwtAuthorities).toEqual([])
  })

  it.each(['ec-p384', 'rsa-2048'] as const)('makes authorities of %s', async (type) => {
    const state = new TestState()
    const manager = state.manager({ x509KeyType: type, jwtKeyType: type })
    await manager.start()
    const node = new X509Certificate(manager.x509().certificate)
    expect(node.verify(node.publicKey)).toBe(true)
    const header = JSON.parse(Buffer.from(manager.jwt().header, 'base64url').toString())
    expect(header).toEqual({
      alg: type === 'rsa-2048' ? 'RS256' : 'ES384',
      kid: manager.jwt().keyId,
      typ: 'JWT',
    })
  })
})

describe('rotation', () => {
  it('with a ca_ttl of a day prepares after 12 hours and switches after 20', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    const [first, firstKey] = [manager.x509(), manager.jwt()]
    state.clock.advance(12 * hourMs)
    await manager.tick()
    expect(manager.local.x509States().prepared).toBeUndefined()
    state.clock.advance(1)
    await manager.tick()
    const prepared = manager.local.x509States().prepared
    expect(prepared).toMatchObject({ slotId: 'B', status: AuthorityStatus.Prepared })
    expect(rootCount(state)).toBe(2)
    expect(manager.x509()).toBe(first)
    state.clock.advance(8 * hourMs - 1)
    await manager.tick()
    expect(manager.x509()).toBe(first)
    state.clock.advance(1)
    await manager.tick()
    expect(manager.x509().authorityId).toBe(prepared?.authorityId)
    expect(manager.jwt().keyId).not.toBe(firstKey.keyId)
    expect(manager.local.x509States()).toMatchObject({
      active: { slotId: 'B' },
      prepared: undefined,
      old: { slotId: 'A', authorityId: first.authorityId },
    })
    expect(journalOf(state)).toMatchObject([
      {
        activeX509AuthorityId: prepared?.authorityId,
        x509Authorities: [{ status: AuthorityStatus.Old }, { status: AuthorityStatus.Active }],
      },
    ])
  })

  it('goes on for years, and remembers ten authorities of a kind', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    for (let tick = 0; tick < 24 * 30; tick++) {
      state.clock.advance(hourMs)
      await manager.tick()
      expect(manager.x509().notAfterSeconds * 1000).toBeGreaterThan(state.clock.nowMs() + hourMs)
    }
    const [journal] = journalOf(state)
    expect(journal?.x509Authorities).toHaveLength(10)
    expect(journal?.jwtAuthorities).toHaveLength(10)
    expect(
      journal?.x509Authorities.filter((one) => one.status === AuthorityStatus.Active),
    ).toHaveLength(1)
  })

  it('that comes much too late, as after a suspend, still ends with a valid authority', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    state.clock.advance(100 * hourMs)
    await manager.tick()
    expect(manager.x509().notAfterSeconds * 1000).toBeGreaterThan(state.clock.nowMs())
    expect(manager.jwt().notAfterSeconds * 1000).toBeGreaterThan(state.clock.nowMs())
  })

  it('that fails keeps the authority that signs, and after more than ten times is unhealthy', async () => {
    const state = new TestState()
    let isFailing = false
    const keyManager = failing(state.keyManager, () => isFailing)
    const manager = state.manager({ keyManager })
    await manager.start()
    const { authorityId } = manager.x509()
    state.clock.advance(13 * hourMs)
    isFailing = true
    for (let attempt = 0; attempt < 5; attempt++) await manager.tick()
    expect(manager.x509().authorityId).toBe(authorityId)
    expect(manager.hasFailedTooOften).toBe(false)
    await manager.tick()
    expect(manager.hasFailedTooOften).toBe(true)
    expect(state.log.messages).toContain('Unable to rotate JWT key')
    isFailing = false
    await manager.tick()
    expect(manager.local.x509States().prepared).toBeDefined()
  })

  it('is counted, failures too', async () => {
    const state = new TestState()
    let isFailing = false
    const counted: unknown[] = []
    const manager = state.manager({
      keyManager: failing(state.keyManager, () => isFailing),
      metrics: {
        prepared: (kind, { error }) => counted.push([kind, error === undefined]),
        activated: (kind, { notAfterSeconds }) => counted.push([kind, notAfterSeconds]),
      },
    })
    await manager.start()
    isFailing = true
    await manager.local.prepareJwt().catch(() => {})
    const notAfterSeconds = state.clock.nowMs() / 1000 + 24 * 3600
    expect(counted).toEqual([
      ['x509_ca', true],
      ['x509_ca', notAfterSeconds],
      ['jwt_key', true],
      ['jwt_key', notAfterSeconds],
      ['jwt_key', false],
    ])
  })

  it('happens every ten seconds until it is stopped', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    const { authorityId } = manager.x509()
    const stop = new AbortController()
    const running = manager.run(stop.signal)
    state.clock.advance(21 * hourMs)
    await manager.tick()
    expect(manager.x509().authorityId).not.toBe(authorityId)
    stop.abort()
    await running
  })
})

describe("an operator's command", () => {
  it('prepares, replaces what was prepared, and activates by ID only', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    const first = manager.x509()
    const one = await manager.local.prepareX509()
    const two = await manager.local.prepareX509()
    expect(rootCount(state)).toBe(3)
    await expect(manager.local.activateX509('')).rejects.toThrow('no authority ID provided')
    for (const id of [one.authorityId, first.authorityId])
      await expect(manager.local.activateX509(id)).rejects.toThrow('unexpected authority ID')
    expect(await manager.local.activateX509(two.authorityId)).toMatchObject({
      authorityId: two.authorityId,
      status: AuthorityStatus.Active,
    })
    expect(manager.x509().authorityId).toBe(two.authorityId)
    await expect(manager.local.activateX509(first.authorityId)).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_STATUS',
      message: 'only Prepared authorities can be activated',
      cause: { message: 'unsupported local authority status: OLD' },
    })
    const key = await manager.local.prepareJwt()
    await manager.local.activateJwt(key.authorityId)
    expect(manager.jwt().keyId).toBe(key.authorityId)
    expect(manager.local.jwtStates().old?.authorityId).not.toBe(key.authorityId)
  })

  it('that fails to prepare leaves the slot empty and the active authority in place', async () => {
    const state = new TestState()
    let isFailing = false
    const manager = state.manager({ keyManager: failing(state.keyManager, () => isFailing) })
    await manager.start()
    const prepared = await manager.local.prepareX509()
    isFailing = true
    await expect(manager.local.prepareX509()).rejects.toThrow('no key today')
    expect(manager.local.x509States()).toMatchObject({
      prepared: undefined,
      old: { authorityId: prepared.authorityId },
    })
  })

  it('and the schedule do not get into each other', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    state.clock.advance(13 * hourMs)
    await Promise.all([manager.tick(), manager.local.prepareX509(), manager.tick(), manager.tick()])
    expect(rootCount(state)).toBe(3)
    expect(manager.local.x509States().prepared).toBeDefined()
  })
})

describe('a restart', () => {
  it('goes on with the same authorities, the prepared one included', async () => {
    const state = new TestState()
    const before = state.manager()
    await before.start()
    const prepared = await before.local.prepareX509()
    const after = state.manager()
    await after.start()
    expect(after.x509().authorityId).toBe(before.x509().authorityId)
    expect(after.jwt().keyId).toBe(before.jwt().keyId)
    expect(after.local.x509States().prepared?.authorityId).toBe(prepared.authorityId)
    expect(rootCount(state)).toBe(2)
    expect(journalOf(state)).toHaveLength(1)
  })

  it('with lost keys makes new authorities and its own journal, and keeps the old root in the bundle', async () => {
    const state = new TestState()
    const before = state.manager()
    await before.start()
    state.keyManager = new MemoryKeyManager()
    const after = state.manager()
    await after.start()
    expect(after.x509().authorityId).not.toBe(before.x509().authorityId)
    expect(rootCount(state)).toBe(2)
    expect(journalOf(state)).toHaveLength(2)
  })

  it('does not take up an authority whose certificate left the bundle', async () => {
    const state = new TestState()
    const before = state.manager()
    await before.start()
    const { authorityId } = before.x509()
    await state.bundle().append({ jwt: [] }, caCause('test'))
    await state.bundle().taintX509(authorityId, caCause('test'))
    await state.bundle().revokeX509(authorityId, caCause('test'))
    const after = state.manager()
    await after.start()
    expect(after.x509().authorityId).not.toBe(authorityId)
    expect(after.jwt().keyId).toBe(before.jwt().keyId)
  })

  it.each([
    ['another key took its place', 'public key does not match key manager key'],
    ['it expired', 'slot expired'],
  ])('does not take up an authority when %s', async (_, reason) => {
    const state = new TestState()
    const before = state.manager()
    await before.start()
    const prepared = await before.local.prepareX509()
    if (reason === 'slot expired') state.clock.advance(25 * hourMs)
    else await state.keyManager.generateKey('x509-CA-B', 'ec-p256')
    const after = state.manager()
    await after.start()
    expect(after.local.x509States().prepared?.authorityId).not.toBe(prepared.authorityId)
    const unusable = state.log.lines.filter(({ message }) => message === 'X509CA slot unusable')
    expect(unusable.map(({ fields }) => fields)).toContainEqual({
      error: reason,
      slot: 'B',
      issued_at: expect.any(Date),
      status: 'PREPARED',
      local_authority_id: prepared.authorityId,
      upstream_authority_id: '',
    })
  })

  it('past the activation threshold rotates at once', async () => {
    const state = new TestState()
    const before = state.manager()
    await before.start()
    state.clock.advance(21 * hourMs)
    const after = state.manager()
    await after.start()
    expect(after.x509().authorityId).not.toBe(before.x509().authorityId)
    expect(after.local.x509States().old?.authorityId).toBe(before.x509().authorityId)
  })

  it('after a crash at any write has authorities that are in the bundle', async () => {
    const scenario = async (crashAt: number): Promise<{ readonly wasReached: boolean }> => {
      const state = new TestState()
      let commits = 0
      let hasCrashed = false
      state.beforeCommit = () => {
        commits++
        if (commits >= crashAt) hasCrashed = true
        if (hasCrashed) throw new Error('killed')
      }
      const doomed = state.manager()
      await doomed.start().catch(() => {})
      await doomed.local.prepareX509().catch(() => {})
      state.clock.advance(21 * hourMs)
      await doomed.tick().catch(() => {})
      state.beforeCommit = () => {}
      const after = state.manager()
      await after.start()
      const bundle = state.bundle().get()
      const active = after.x509()
      expect(bundle?.x509Authorities.map((one) => one.certificate)).toContainEqual(
        active.certificate,
      )
      expect(bundle?.jwtAuthorities.map((one) => one.keyId)).toContain(after.jwt().keyId)
      expect(active.notAfterSeconds * 1000).toBeGreaterThan(state.clock.nowMs())
      expect(await state.keyManager.findKey('x509-CA-A')).toBeDefined()
      return { wasReached: hasCrashed }
    }
    let crashAt = 1
    while ((await scenario(crashAt)).wasReached) crashAt++
    expect(crashAt).toBeGreaterThan(8)
  })
})

describe('the journal', () => {
  it('knows no status of an authority that it has not recorded', async () => {
    const { store, registry } = new TestState()
    const journal = Journal.find({ store, journals: registry.journals }, new Set())
    const unknown = {
      code: 'ERR_JOURNAL_ENTRY_NOT_FOUND',
      message: 'no journal entry found with authority ID "stranger"',
    }
    const { Active } = AuthorityStatus
    await expect(journal.setX509Status('stranger', Active)).rejects.toMatchObject(unknown)
    await expect(journal.setJwtStatus('stranger', Active)).rejects.toMatchObject(unknown)
    expect(journal.isNew).toBe(true)
  })

  it('that could not be saved is saved at the next tick, so that a restart finds it', async () => {
    const state = new TestState()
    const manager = state.manager()
    await manager.start()
    const prepared = await manager.local.prepareX509()
    state.beforeCommit = () => {
      throw new Error('disk full')
    }
    await manager.local.activateX509(prepared.authorityId)
    expect(state.log.messages).toContain(
      'Failed to update to activated status on X509CA journal entry',
    )
    expect(manager.x509().authorityId).toBe(prepared.authorityId)
    await manager.tick()
    expect(state.log.messages).toContain('Unable to save CA journal')
    state.beforeCommit = () => {}
    await manager.tick()
    expect(journalOf(state)).toMatchObject([{ activeX509AuthorityId: prepared.authorityId }])
    const after = state.manager()
    await after.start()
    expect(after.x509().authorityId).toBe(prepared.authorityId)
  })

  it('of a server that has gone is removed 14 days after all it held expired', async () => {
    const state = new TestState()
    await state.manager().start()
    state.keyManager = new MemoryKeyManager()
    const { store, clock } = state
    const prune = () =>
      pruneJournals({ store, journals: state.registry.journals, nowMs: clock.nowMs() })
    clock.advance(15 * 24 * hourMs)
    expect(await prune()).toEqual([])
    const [dead] = journalOf(state)
    await state.manager().start()
    clock.advance(minuteMs)
    expect(await prune()).toEqual([dead?.id])
    expect(journalOf(state)).toHaveLength(1)
    expect(await prune()).toEqual([])
  })
})

describe('a JWT key ID', () => {
  it('has a character for each random octet', () => {
    expect(keyIdFromBytes(Buffer.of(0, 25, 26, 51, 52, 61, 62, 255))).toBe('azAZ09ah')
  })
})
