import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { describe, expect, it } from 'vitest'
import { AuthorityStatus } from '../model/authority.ts'
import type { AuthorityManager } from './authority-manager.ts'
import { TestState } from './ca.test-kit.ts'
import { caCause } from './journal.ts'
import type { LocalAuthorities } from './local-authorities.ts'
import { testUpstreamIssuer } from './upstream.test-kit.ts'
import { selfSigningIssuer } from './x509-ca-issuer.ts'

const cause = caCause('test')

async function started(
  state: TestState,
  options: Parameters<TestState['manager']>[0] = {},
): Promise<AuthorityManager> {
  const manager = state.manager(options)
  await manager.start()
  return manager
}

/** Prepares and activates; returns the ID of what signed before. */
async function replaced(local: LocalAuthorities, kind: 'X509' | 'Jwt'): Promise<string> {
  const former = kind === 'X509' ? local.x509States().active : local.jwtStates().active
  const { authorityId } = await local[`prepare${kind}`]()
  await local[`activate${kind}`](authorityId)
  return former?.authorityId ?? ''
}

describe.each(['X509', 'Jwt'] as const)('of its %s authorities, an operator', (kind) => {
  it('cannot do anything before the server has started', async () => {
    const { local } = new TestState().manager()
    await expect(local[`prepare${kind}`]()).rejects.toMatchObject({
      code: 'ERR_SERVER_INITIALIZING',
      kind: 'unavailable',
      message: 'server is initializing',
    })
  })

  it('is refused an operation without an ID, on the active, on the prepared, and on a stranger', async () => {
    const state = new TestState()
    const { local } = await started(state)
    const active = (kind === 'X509' ? local.x509States() : local.jwtStates()).active?.authorityId
    const taint = (id: string) => local[`taint${kind}`](id, cause)
    const revoke = (id: string) => local[`revoke${kind}`](id, cause)
    for (const change of [taint, revoke])
      await expect(change('')).rejects.toMatchObject({
        code: 'ERR_AUTHORITY_ID_MISSING',
        message: 'no authority ID provided',
      })
    await expect(taint(active ?? '')).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_CURRENT',
      message: 'unable to taint current local authority',
    })
    await expect(revoke(active ?? '')).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_CURRENT',
      message: 'unable to use current authority',
    })
    const { authorityId: prepared } = await local[`prepare${kind}`]()
    await expect(taint(prepared)).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_NOT_OLD',
      message: 'only Old local authorities can be tainted',
      cause: { message: 'unsupported local authority status: PREPARED' },
    })
    await expect(revoke(prepared)).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_NOT_OLD',
      kind: 'invalid-argument',
    })
    await expect(taint('stranger')).rejects.toMatchObject({ code: 'ERR_AUTHORITY_UNEXPECTED' })
    await expect(revoke('stranger')).rejects.toMatchObject({
      code: kind === 'X509' ? 'ERR_AUTHORITY_NOT_OLD' : 'ERR_AUTHORITY_UNKNOWN',
    })
    expect(
      state
        .bundle()
        .get()
        ?.x509Authorities.some(({ tainted }) => tainted),
    ).toBe(false)
  })

  it('replaces the one that signs, taints it once, and revokes it only then', async () => {
    const state = new TestState()
    const { local } = await started(state)
    const old = await replaced(local, kind)
    await expect(local[`revoke${kind}`](old, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_AUTHORITY_UNTAINTED',
    })
    await local[`taint${kind}`](old, cause)
    await expect(local[`taint${kind}`](old, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_AUTHORITY_TAINTED',
    })
    await local[`revoke${kind}`](old, cause)
    await expect(local[`revoke${kind}`](old, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_AUTHORITY_NOT_FOUND',
    })
    const bundle = state.bundle().get()
    expect(kind === 'X509' ? bundle?.x509Authorities : bundle?.jwtAuthorities).toMatchObject([
      { tainted: false },
    ])
  })

  it('taints nothing while a restart would sign with it again', async () => {
    const state = new TestState()
    const { local } = await started(state)
    const { authorityId } = await local[`prepare${kind}`]()
    const states = () => (kind === 'X509' ? local.x509States() : local.jwtStates())
    const old = states().active?.authorityId ?? ''
    state.beforeCommit = () => {
      throw new Error('disk full')
    }
    await local[`activate${kind}`](authorityId)
    await expect(local[`taint${kind}`](old, cause)).rejects.toThrow('disk full')
    state.beforeCommit = () => {}
    expect(states()).toMatchObject({ old: { authorityId: old, status: AuthorityStatus.Old } })
    await local[`taint${kind}`](old, cause)
    const after = (await started(state)).local
    const { active } = kind === 'X509' ? after.x509States() : after.jwtStates()
    expect(active?.authorityId).toBe(authorityId)
  })
})

describe('a JWT authority older than the old one', () => {
  it('is revoked when it is tainted: the bundle knows it', async () => {
    const state = new TestState()
    const { local } = await started(state)
    const first = await replaced(local, 'Jwt')
    await local.taintJwt(first, cause)
    await replaced(local, 'Jwt')
    await expect(local.taintJwt(first, cause)).rejects.toMatchObject({
      code: 'ERR_AUTHORITY_UNEXPECTED',
    })
    await local.revokeJwt(first, cause)
    expect(
      state
        .bundle()
        .get()
        ?.jwtAuthorities.map(({ keyId }) => keyId),
    ).not.toContain(first)
  })

  it('of a server without JWT-SVIDs does not exist, nor any other', async () => {
    const { local } = await started(new TestState(), { isJwtDisabled: true })
    const refusal = { code: 'ERR_JWT_DISABLED', kind: 'unimplemented' }
    expect(() => local.jwtStates()).toThrow('JWT functionality is disabled')
    await expect(local.prepareJwt()).rejects.toMatchObject(refusal)
    await expect(local.activateJwt('')).rejects.toMatchObject(refusal)
    await expect(local.taintJwt('', cause)).rejects.toMatchObject(refusal)
    await expect(local.revokeJwt('', cause)).rejects.toMatchObject(refusal)
  })
})

describe('the authority above', () => {
  it('is none of a server that signs for itself', async () => {
    const { local } = await started(new TestState())
    for (const change of [local.taintUpstream('00', cause), local.revokeUpstream('00', cause)])
      await expect(change).rejects.toMatchObject({
        code: 'ERR_NO_UPSTREAM_AUTHORITY',
        kind: 'failed-precondition',
        message: 'upstream authority is not configured',
      })
  })

  it('is tainted and revoked in place of local authorities, when it signed the old one', async () => {
    const state = new TestState()
    const { local } = await started(state, {
      x509Issuer: testUpstreamIssuer({ trustDomain: state.trustDomain, bundle: state.bundle() }),
    })
    const first = local.x509States().active
    const root = first?.upstreamAuthorityId ?? ''
    for (const change of [
      local.taintX509(first?.authorityId ?? '', cause),
      local.revokeX509(first?.authorityId ?? '', cause),
    ])
      await expect(change).rejects.toMatchObject({
        code: 'ERR_UPSTREAM_AUTHORITY',
        message: expect.stringContaining('if there is an upstream authority'),
      })
    await expect(local.taintUpstream('', cause)).rejects.toThrow('no subject key ID provided')
    await expect(local.taintUpstream(root, cause)).rejects.toThrow(
      'unable to use upstream authority singing current authority',
    )
    const prepared = await local.prepareX509()
    await expect(local.taintUpstream(prepared.upstreamAuthorityId, cause)).rejects.toThrow(
      'only upstream authorities signing an old authority can be used',
    )
    await expect(local.taintUpstream('00', cause)).rejects.toThrow(
      "upstream authority didn't sign the old local authority",
    )
    await local.activateX509(prepared.authorityId)
    await expect(local.revokeUpstream(root, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_AUTHORITY_UNTAINTED',
    })
    await local.taintUpstream(root, cause)
    await local.revokeUpstream(root, cause)
    expect(state.bundle().get()?.x509Authorities).toHaveLength(1)
  })
})

describe('what has been tainted', () => {
  it('never signs again, even when the journal still says that it is active', async () => {
    const state = new TestState()
    const before = await started(state)
    const [root, key] = [before.x509().authorityId, before.jwt().keyId]
    await state.bundle().taintX509(root, cause)
    await state.bundle().taintJwt(key, cause)
    const after = await started(state)
    expect(after.x509().authorityId).not.toBe(root)
    expect(after.jwt().keyId).not.toBe(key)
  })

  it('does not keep a prepared authority from taking over after a crash between the two', async () => {
    const state = new TestState()
    const before = await started(state)
    const prepared = await before.local.prepareX509()
    const { authorityId: old } = before.x509()
    let commits = 0
    state.beforeCommit = () => {
      if (++commits > 1) throw new Error('killed')
    }
    await before.local.activateX509(prepared.authorityId)
    state.beforeCommit = () => {}
    const { local } = await started(state)
    expect(local.x509States()).toMatchObject({
      active: { authorityId: prepared.authorityId },
      old: { authorityId: old },
    })
    await local.taintX509(old, cause)
  })
})

it('a self-signed authority is published before it can sign', async () => {
  const state = new TestState()
  const { trustDomain } = state
  const issuer = selfSigningIssuer({
    trustDomain,
    subject: {},
    ttlSeconds: 60,
    serialNumbers: new SerialNumbers(),
    bundle: state.bundle(),
  })
  const key = await state.keyManager.generateKey('k', 'ec-p256')
  const { certificate } = await issuer.issue({ key, nowMs: state.clock.nowMs() })
  expect(state.bundle().get()?.x509Authorities).toEqual([{ certificate, tainted: false }])
})
