import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { LocalAuthorityService } from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'
import {
  foreignBundle,
  identityOf,
  newCsr,
  type ServerClients,
  ServerScene,
} from './server-scene.ts'

const silence: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
}

/** Waits for what a stream says, which its server has let in when this returns; how it ends is looked at later. */
async function holdOpen(
  clients: ServerClients,
  stream: AsyncIterable<unknown>,
): Promise<{ readonly next: Promise<unknown> }> {
  const next = stream[Symbol.asyncIterator]().next()
  next.catch(() => {})
  // On the same connection, after it.
  await clients.bundles.getBundle({ outputMask: undefined })
  return { next }
}

/** Makes another authority the one that signs, and returns the ID of the one that did. */
async function rotate(authorities: ClientOf<typeof LocalAuthorityService>): Promise<string> {
  const { preparedAuthority } = await authorities.prepareX509Authority({})
  await authorities.activateX509Authority({ authorityId: preparedAuthority?.authorityId ?? '' })
  const { old } = await authorities.getX509AuthorityState({})
  return old?.authorityId ?? ''
}

describe('a root that is taken out of a bundle', () => {
  it('takes the connections of its agents with it at once, and nobody else’s [gate 5]', async () => {
    await using scene = await ServerScene.start()
    const [below, renewing] = [await scene.join(), await scene.join()]
    const authorities = createClient(LocalAuthorityService, scene.local().channel)
    const authorityId = await rotate(authorities)
    const { csr, key } = await newCsr()
    const { svid } = await scene.remote(renewing).agents.renewAgent({ params: { csr } })
    const [stale, fresh] = [scene.remote(below), scene.remote(identityOf(svid, key))]
    const cut = await holdOpen(stale, stale.entries.syncAuthorizedEntries(silence))
    const kept = await holdOpen(fresh, fresh.entries.syncAuthorizedEntries(silence))
    await authorities.taintX509Authority({ authorityId })
    await stale.entries.getAuthorizedEntries({ outputMask: undefined })
    await authorities.revokeX509Authority({ authorityId })
    await expect(cut.next).rejects.toMatchObject({ kind: 'unavailable' })
    await fresh.entries.getAuthorizedEntries({ outputMask: undefined })
    expect(await Promise.race([kept.next, 'open'])).toBe('open')
  })

  it('of another trust domain takes those of its admins with it [gate 5]', async () => {
    const foreign = TestCa.create('other.org')
    const id = 'spiffe://other.org/admin'
    await using scene = await ServerScene.start({ config: { adminIds: [SpiffeId.parse(id)] } })
    const { bundles } = scene.local()
    const bundle = [foreignBundle(foreign)]
    await bundles.batchSetFederatedBundle({ bundle, outputMask: undefined })
    const { privateKey: key, chain } = foreign.issueX509Svid(id)
    const admin = scene.remote({ id, key, chain: chain.map(({ raw }) => raw) })
    const cut = await holdOpen(admin, admin.agents.attestAgent(silence))
    await bundles.batchDeleteFederatedBundle({ trustDomains: ['other.org'], mode: 0 })
    await expect(cut.next).rejects.toMatchObject({ kind: 'unavailable' })
  })
})
