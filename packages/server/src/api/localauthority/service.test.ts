import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { LocalAuthorityService } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AuthorityManager, AuthorityManagerOptions } from '../../ca/authority-manager.ts'
import { testUpstreamIssuer } from '../../ca/upstream.test-kit.ts'
import { testDomain } from '../../store/store.test-kit.ts'
import { ApiScene, failureOf } from '../api.test-kit.ts'
import { localAuthorityService } from './service.ts'

type Client = ClientOf<typeof LocalAuthorityService>

let scene: ApiScene
beforeEach(() => {
  scene = new ApiScene()
})
afterEach(async () => {
  await scene[Symbol.asyncDispose]()
})

/** A server's authorities on the scene's store, and a client of the service over them. */
async function serve(
  options: Partial<AuthorityManagerOptions> = {},
): Promise<{ readonly client: Client; readonly manager: AuthorityManager }> {
  const manager = scene.authorities(options)
  const channel = await scene.serve(() => localAuthorityService({ authorities: manager.local }))
  return { client: createClient(LocalAuthorityService, channel), manager }
}

const dayMs = 24 * 3600_000
const endSeconds = (): bigint => BigInt(Math.floor((scene.clock.nowMs() + dayMs) / 1000))

describe('the X.509 authorities', () => {
  it('are shown with their ends, prepared, activated, tainted and revoked', async () => {
    const { client, manager } = await serve()
    expect(await failureOf(client.getX509AuthorityState({}))).toEqual({
      code: 14,
      message: 'server is initializing',
    })
    await manager.start()
    const old = {
      authorityId: manager.x509().authorityId,
      expiresAt: endSeconds(),
      upstreamAuthoritySubjectKeyId: '',
    }
    expect(await client.getX509AuthorityState({})).toEqual({
      active: old,
      prepared: undefined,
      old: undefined,
    })
    const { preparedAuthority: fresh } = await client.prepareX509Authority({})
    const authorityId = fresh?.authorityId ?? ''
    expect(fresh).toEqual({ ...old, authorityId })
    expect(await client.getX509AuthorityState({})).toMatchObject({ active: old, prepared: fresh })
    expect(await client.activateX509Authority({ authorityId })).toEqual({
      activatedAuthority: fresh,
    })
    expect(scene.audit.fields).toEqual({ local_authority_id: authorityId })
    expect(await client.getX509AuthorityState({})).toEqual({
      active: fresh,
      prepared: undefined,
      old,
    })
    expect(await client.taintX509Authority(old)).toEqual({ taintedAuthority: old })
    expect(await client.revokeX509Authority(old)).toEqual({
      revokedAuthority: {
        authorityId: old.authorityId,
        expiresAt: 0n,
        upstreamAuthoritySubjectKeyId: '',
      },
    })
    expect(scene.ownBundle.get()?.x509Authorities).toHaveLength(1)
  })

  it('in the wrong state are refused with the words that scripts know', async () => {
    const { client, manager } = await serve()
    await manager.start()
    const active = { authorityId: manager.x509().authorityId }
    const { preparedAuthority: prepared } = await client.prepareX509Authority({})
    const next = { authorityId: prepared?.authorityId ?? '' }
    const none = { authorityId: '' }
    const stranger = { authorityId: 'ab' }
    const refusals = async (
      call: (request: { readonly authorityId: string }) => Promise<unknown>,
      ...requests: readonly { readonly authorityId: string }[]
    ) => await Promise.all(requests.map(async (request) => await failureOf(call(request))))
    const invalid = (message: string) => ({ code: 3, message })
    expect(
      await refusals((request) => client.activateX509Authority(request), none, stranger, active),
    ).toEqual([
      invalid('no authority ID provided'),
      invalid('unexpected authority ID'),
      invalid('unexpected authority ID'),
    ])
    expect(
      await refusals((request) => client.taintX509Authority(request), none, active, stranger, next),
    ).toEqual([
      invalid('no authority ID provided'),
      invalid('unable to taint current local authority'),
      invalid('unexpected authority ID'),
      invalid(
        'only Old local authorities can be tainted: unsupported local authority status: PREPARED',
      ),
    ])
    expect(
      await refusals((request) => client.revokeX509Authority(request), none, active, next),
    ).toEqual([
      invalid('invalid authority ID: no authority ID provided'),
      invalid('invalid authority ID: unable to use current authority'),
      invalid('invalid authority ID: only Old local authority can be revoked'),
    ])
    await client.activateX509Authority(next)
    expect(await failureOf(client.activateX509Authority(active))).toEqual({
      code: 13,
      message:
        'only Prepared authorities can be activated: unsupported local authority status: OLD',
    })
    expect(await failureOf(client.revokeX509Authority(active))).toEqual({
      code: 13,
      message:
        'failed to revoke X.509 authority: it is not possible to revoke an untainted root CA',
    })
    await client.taintX509Authority(active)
    expect(await failureOf(client.taintX509Authority(active))).toEqual({
      code: 13,
      message: 'failed to taint X.509 authority: root CA is already tainted',
    })
    await client.revokeX509Authority(active)
    expect(await failureOf(client.revokeX509Authority(active))).toEqual({
      code: 13,
      message: 'failed to revoke X.509 authority: no root CA found with provided subject key ID',
    })
  })

  it('have nothing above them when the server signs for itself', async () => {
    const { client, manager } = await serve()
    await manager.start()
    const refusal = { code: 9, message: 'upstream authority is not configured' }
    const request = { subjectKeyId: 'AB' }
    expect(await failureOf(client.taintX509UpstreamAuthority(request))).toEqual(refusal)
    expect(await failureOf(client.revokeX509UpstreamAuthority(request))).toEqual(refusal)
    expect(scene.audit.fields).toEqual({ subject_key_id: 'AB' })
  })
})

describe('with an authority above', () => {
  it('local authorities are spared, and the upstream ID is told in lower case', async () => {
    const { client, manager } = await serve({
      x509Issuer: testUpstreamIssuer({ trustDomain: testDomain, bundle: scene.ownBundle }),
    })
    await manager.start()
    const old = manager.x509()
    const id = { authorityId: old.authorityId }
    expect(await failureOf(client.taintX509Authority(id))).toEqual({
      code: 9,
      message: "local authority can't be tainted if there is an upstream authority",
    })
    expect(await failureOf(client.revokeX509Authority(id))).toEqual({
      code: 9,
      message: "local authority can't be revoked if there is an upstream authority",
    })
    const root = { subjectKeyId: old.upstreamAuthorityId.toUpperCase() }
    const singing = 'unable to use upstream authority singing current authority'
    expect(await failureOf(client.taintX509UpstreamAuthority(root))).toEqual({
      code: 3,
      message: `provided subject key id is not valid: ${singing}`,
    })
    expect(await failureOf(client.revokeX509UpstreamAuthority(root))).toEqual({
      code: 3,
      message: `invalid subject key ID: ${singing}`,
    })
    const { preparedAuthority } = await client.prepareX509Authority({})
    expect(preparedAuthority?.upstreamAuthoritySubjectKeyId).toMatch(/^[0-9a-f]{40}$/)
    await client.activateX509Authority({ authorityId: preparedAuthority?.authorityId ?? '' })
    expect(await failureOf(client.revokeX509UpstreamAuthority(root))).toEqual({
      code: 13,
      message:
        'failed to revoke X.509 upstream authority: it is not possible to revoke an untainted root CA',
    })
    const echo = { upstreamAuthoritySubjectKeyId: old.upstreamAuthorityId }
    expect(await client.taintX509UpstreamAuthority(root)).toEqual(echo)
    expect(await failureOf(client.taintX509UpstreamAuthority(root))).toEqual({
      code: 13,
      message: 'failed to taint upstream authority: root CA is already tainted',
    })
    expect(await client.revokeX509UpstreamAuthority(root)).toEqual(echo)
  })
})

describe('the JWT authorities', () => {
  it('are prepared, activated, tainted and revoked; of the tainted and revoked only the ID is told', async () => {
    const { client, manager } = await serve()
    expect(await failureOf(client.prepareJwtAuthority({}))).toEqual({
      code: 14,
      message: 'server is initializing',
    })
    await manager.start()
    const old = { authorityId: manager.jwt().keyId }
    const { preparedAuthority } = await client.prepareJwtAuthority({})
    const next = { authorityId: preparedAuthority?.authorityId ?? '' }
    expect(preparedAuthority).toMatchObject({ expiresAt: endSeconds() })
    const invalid = (message: string) => ({ code: 3, message: `invalid authority ID: ${message}` })
    expect(await failureOf(client.revokeJwtAuthority({ authorityId: '' }))).toEqual(
      invalid('no authority ID provided'),
    )
    expect(await failureOf(client.revokeJwtAuthority(next))).toEqual(
      invalid('unable to use a prepared key'),
    )
    expect(await failureOf(client.revokeJwtAuthority(old))).toEqual(
      invalid('unable to use current authority'),
    )
    expect(await failureOf(client.revokeJwtAuthority({ authorityId: 'x' }))).toEqual(
      invalid('no JWT authority found with provided authority ID'),
    )
    expect(await client.activateJwtAuthority(next)).toEqual({
      activatedAuthority: preparedAuthority,
    })
    expect(await client.getJwtAuthorityState({})).toMatchObject({ active: next, old })
    expect(await failureOf(client.revokeJwtAuthority(old))).toEqual({
      code: 13,
      message: 'failed to revoke JWT authority: it is not possible to revoke an untainted key',
    })
    const idOnly = { ...old, expiresAt: 0n, upstreamAuthoritySubjectKeyId: '' }
    expect(await client.taintJwtAuthority(old)).toEqual({ taintedAuthority: idOnly })
    expect(await failureOf(client.taintJwtAuthority(old))).toEqual({
      code: 13,
      message: 'failed to taint JWT authority: key is already tainted',
    })
    expect(await client.revokeJwtAuthority(old)).toEqual({ revokedAuthority: idOnly })
    expect(await failureOf(client.revokeJwtAuthority(old))).toEqual({
      code: 13,
      message: 'failed to revoke JWT authority: no JWT Key found with provided key ID',
    })
  })

  it('that cannot be made are told of with the reason', async () => {
    const inner = new MemoryKeyManager()
    let isBroken = false
    const { client, manager } = await serve({
      keyManager: {
        generateKey: async (id, type) => {
          if (isBroken) await inner.getKey('no such key')
          return await inner.generateKey(id, type)
        },
        getKey: (id) => inner.getKey(id),
        findKey: (id) => inner.findKey(id),
        listKeys: () => inner.listKeys(),
      },
    })
    await manager.start()
    isBroken = true
    for (const [call, kind] of [
      [client.prepareJwtAuthority({}), 'JWT'],
      [client.prepareX509Authority({}), 'X.509'],
    ] as const) {
      const { code, message } = await failureOf(call)
      expect(code).toBe(13)
      expect(message).toMatch(new RegExp(`^failed to prepare ${kind} authority: .*no such key`))
    }
  })

  it('of a server without JWT-SVIDs are not there', async () => {
    const { client, manager } = await serve({ isJwtDisabled: true })
    await manager.start()
    const request = { authorityId: '' }
    for (const call of [
      client.getJwtAuthorityState({}),
      client.prepareJwtAuthority({}),
      client.activateJwtAuthority(request),
      client.taintJwtAuthority(request),
      client.revokeJwtAuthority(request),
    ])
      expect(await failureOf(call)).toEqual({ code: 12, message: 'JWT functionality is disabled' })
  })
})

it('of WIT authorities nothing is known yet', async () => {
  const { client } = await serve()
  const request = { authorityId: '' }
  for (const call of [
    client.getWitAuthorityState({}),
    client.prepareWitAuthority({}),
    client.activateWitAuthority(request),
    client.taintWitAuthority(request),
    client.revokeWitAuthority(request),
  ])
    expect(await failureOf(call)).toEqual({
      code: 12,
      message: 'WIT-SVID functionality is not yet implemented',
    })
})
