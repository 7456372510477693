import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FederationRelationship } from '../model/federation-relationship.ts'
import { testCause } from '../store/store.test-kit.ts'
import { StoreError } from '../store/store-error.ts'
import { FederationScene } from './federation.test-kit.ts'
import { createRelationship, deleteRelationship, updateRelationship } from './relationships.ts'

const trustDomain = TrustDomain.parse('other.org')
const relationship: FederationRelationship = {
  trustDomain,
  bundleEndpointUrl: 'https://other.org/bundle',
  profile: { kind: 'https_web' },
}
const change = { bundleEndpointUrl: 'https://other.org/moved' }

let scene: FederationScene
beforeEach(async () => {
  scene = await FederationScene.open()
})
afterEach(() => scene[Symbol.asyncDispose]())

describe('a relationship', () => {
  it('is made once, and changed and ended only where it is', async () => {
    const missing = { code: 'ERR_FEDERATION_RELATIONSHIP_NOT_FOUND', kind: 'not-found' }
    await expect(updateRelationship(scene, trustDomain, change, testCause)).rejects.toMatchObject(
      missing,
    )
    await expect(deleteRelationship(scene, trustDomain, testCause)).rejects.toMatchObject(missing)
    await createRelationship(scene, relationship, undefined, testCause)
    await expect(
      createRelationship(scene, relationship, undefined, testCause),
    ).rejects.toMatchObject({ code: 'ERR_FEDERATION_RELATIONSHIP_EXISTS', kind: 'already-exists' })
    expect(await updateRelationship(scene, trustDomain, change, testCause)).toMatchObject(change)
    await deleteRelationship(scene, trustDomain, testCause)
    expect(scene.registry.relationships.find(trustDomain.name)).toBeUndefined()
  })

  it('that cannot be stored stays as it was', async () => {
    const { registry } = scene
    const full = new StoreError('ERR_STORE_UNAVAILABLE', 'no space left on device')
    const broken = { registry, store: { commit: () => Promise.reject(full) } }
    const refused = {
      code: 'ERR_FEDERATION_RELATIONSHIP_NOT_STORED',
      message: 'no space left on device',
    }
    await expect(
      createRelationship(broken, relationship, undefined, testCause),
    ).rejects.toMatchObject(refused)
    await scene.relate(relationship)
    await expect(updateRelationship(broken, trustDomain, change, testCause)).rejects.toMatchObject(
      refused,
    )
    await expect(deleteRelationship(broken, trustDomain, testCause)).rejects.toMatchObject(refused)
    expect(registry.relationships.find(trustDomain.name)).toBe(relationship)
  })
})
