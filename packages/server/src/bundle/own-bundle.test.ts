import { describe, expect, it } from 'vitest'
import { TestState } from '../ca/ca.test-kit.ts'
import { caCause } from '../ca/journal.ts'
import type { OwnBundle } from './own-bundle.ts'

const cause = caCause('test')

/** A bundle with the authorities of a server that has started: one X.509, one JWT. */
async function filled(): Promise<{
  state: TestState
  bundle: OwnBundle
  skid: string
  kid: string
}> {
  const state = new TestState()
  const manager = state.manager()
  await manager.start()
  const bundle = state.bundle()
  return { state, bundle, skid: manager.x509().authorityId, kid: manager.jwt().keyId }
}

const key = (keyId: string, expiresAtSeconds = 0) => ({
  keyId,
  publicKey: Buffer.from(keyId),
  expiresAtSeconds,
})

describe('the own bundle', () => {
  it('does not exist before the first authority, and then begins with sequence number 0', async () => {
    const state = new TestState()
    const bundle = state.bundle()
    expect(bundle.get()).toBeUndefined()
    await expect(bundle.taintX509('00', cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_NOT_FOUND',
    })
    expect(await bundle.prune(state.clock.now(), cause)).toBe(false)
    const made = await bundle.append({ jwt: [key('a')] }, cause)
    expect(made).toMatchObject({ sequenceNumber: 0, refreshHintSeconds: 0 })
    expect(bundle.get()).toBe(made)
  })

  it.each([
    ['nothing', Buffer.of()],
    ['text', Buffer.from('certificate')],
  ])('refuses %s as a certificate', async (_, der) => {
    const { bundle } = await filled()
    const before = bundle.get()
    await expect(bundle.append({ x509: [der] }, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_AUTHORITY_MALFORMED',
    })
    expect(bundle.get()).toBe(before)
  })

  it('refuses two certificates in one element', async () => {
    const { bundle } = await filled()
    const [one] = bundle.get()?.x509Authorities ?? []
    const der = one?.certificate ?? Buffer.of()
    const twice = Buffer.concat([der, der])
    await expect(bundle.append({ x509: [twice] }, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_AUTHORITY_MALFORMED',
    })
  })

  it('is not written when nothing is new, even if what comes again is tainted', async () => {
    const { bundle, skid } = await filled()
    await bundle.taintX509(skid, cause)
    const before = bundle.get()
    const [one] = before?.x509Authorities ?? []
    await bundle.append({ x509: [one?.certificate ?? Buffer.of()] }, cause)
    expect(bundle.get()).toBe(before)
    expect(before?.x509Authorities).toMatchObject([{ tainted: true }])
  })

  it('keeps every one of many that are appended at once, and counts each change', async () => {
    const { bundle } = await filled()
    const before = bundle.get()?.sequenceNumber ?? 0
    const ids = Array.from({ length: 20 }, (_, index) => `key-${index}`)
    await Promise.all(ids.map((id) => bundle.append({ jwt: [key(id)] }, cause)))
    expect(
      bundle
        .get()
        ?.jwtAuthorities.slice(1)
        .map((one) => one.keyId),
    ).toEqual(ids)
    expect(bundle.get()?.sequenceNumber).toBe(before + 20)
  })

  it('loses nothing when another server changes it in between', async () => {
    const { state, bundle } = await filled()
    state.beforeCommit = async () => {
      state.beforeCommit = () => {}
      await state.bundle().append({ jwt: [key('theirs')] }, cause)
    }
    await bundle.append({ jwt: [key('ours')] }, cause)
    expect(
      bundle
        .get()
        ?.jwtAuthorities.slice(1)
        .map((one) => one.keyId),
    ).toEqual(['theirs', 'ours'])
  })

  it('gives up when it is always somebody else who is first', async () => {
    const { state, bundle } = await filled()
    let [count, isOther] = [0, false]
    state.beforeCommit = async () => {
      if (isOther) return
      isOther = true
      await state.bundle().append({ jwt: [key(`theirs-${count++}`)] }, cause)
      isOther = false
    }
    await expect(bundle.append({ jwt: [key('ours')] }, cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_CONTENDED',
    })
  })

  it('passes on that nothing can be written, and is usable afterwards', async () => {
    const { state, bundle } = await filled()
    state.beforeCommit = () => {
      throw new Error('disk full')
    }
    await expect(bundle.append({ jwt: [key('a')] }, cause)).rejects.toThrow('disk full')
    state.beforeCommit = () => {}
    await bundle.append({ jwt: [key('a')] }, cause)
    expect(bundle.get()?.jwtAuthorities).toHaveLength(2)
  })
})

describe('an authority of the own bundle', () => {
  it('that is unknown is neither tainted nor revoked', async () => {
    const { bundle } = await filled()
    await expect(bundle.taintX509('00', cause)).rejects.toThrow(
      'no ca found with provided subject key ID',
    )
    await expect(bundle.revokeX509('00', cause)).rejects.toThrow(
      'no root CA found with provided subject key ID',
    )
    for (const change of [bundle.taintJwt('x', cause), bundle.revokeJwt('x', cause)])
      await expect(change).rejects.toThrow('no JWT Key found with provided key ID')
  })

  it('is revoked only after it was tainted, and tainted only once', async () => {
    const { bundle, skid, kid } = await filled()
    await bundle.append({ jwt: [key('other')] }, cause)
    await expect(bundle.revokeX509(skid, cause)).rejects.toThrow(
      'it is not possible to revoke an untainted root CA',
    )
    await expect(bundle.revokeJwt(kid, cause)).rejects.toThrow(
      'it is not possible to revoke an untainted key',
    )
    const before = bundle.get()?.sequenceNumber ?? 0
    expect(await bundle.taintX509(skid, cause)).toMatchObject({ tainted: true })
    expect(await bundle.taintJwt(kid, cause)).toMatchObject({ keyId: kid, tainted: true })
    await expect(bundle.taintX509(skid, cause)).rejects.toThrow('root CA is already tainted')
    await expect(bundle.taintJwt(kid, cause)).rejects.toThrow('key is already tainted')
    await bundle.revokeX509(skid, cause)
    await bundle.revokeJwt(kid, cause)
    expect(bundle.get()).toMatchObject({
      x509Authorities: [],
      jwtAuthorities: [{ keyId: 'other' }],
      sequenceNumber: before + 4,
    })
  })

  it('is pruned when it expired, unless nothing would be left', async () => {
    const { state, bundle } = await filled()
    const dayMs = 24 * 3600_000
    expect(await bundle.prune(state.clock.now(), cause)).toBe(false)
    state.clock.advance(2 * dayMs)
    await expect(bundle.prune(state.clock.now(), cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_PRUNE_REFUSED',
      message: 'would prune all certificates',
    })
    const later = state.manager()
    await later.start()
    expect(bundle.get()?.x509Authorities).toHaveLength(2)
    const before = bundle.get()?.sequenceNumber ?? 0
    await bundle.append({ jwt: [key('forever')] }, cause)
    expect(await bundle.prune(state.clock.now(), cause)).toBe(true)
    expect(bundle.get()?.jwtAuthorities.map((one) => one.keyId)).toEqual([
      later.jwt().keyId,
      'forever',
    ])
    expect(bundle.get()).toMatchObject({
      x509Authorities: [{ certificate: later.x509().certificate }],
      sequenceNumber: before + 2,
    })
  })

  it('that is the last to verify tokens with is not pruned', async () => {
    const { state, bundle } = await filled()
    state.clock.advance(2 * 24 * 3600_000)
    const later = state.manager({ isJwtDisabled: true })
    await later.start()
    await expect(bundle.prune(state.clock.now(), cause)).rejects.toMatchObject({
      code: 'ERR_BUNDLE_PRUNE_REFUSED',
      message: 'would prune all JWT signing keys',
    })
  })
})
