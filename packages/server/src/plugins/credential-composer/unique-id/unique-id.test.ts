import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { credentialComposerContract } from '../credential-composer.contract.ts'
import { UniqueIdComposer } from './unique-id.ts'

credentialComposerContract({ describe, it, expect }, 'uniqueid', () => new UniqueIdComposer())

const publicKey = Buffer.of()
const attributes = { subject: { organization: ['SPIRE'] }, dnsNames: [], extraExtensions: [] }

async function uniqueIdOf(id: string, extraNames = [{ oid: '2.5.4.3', value: 'web' }]) {
  const composed = await new UniqueIdComposer().composeWorkloadX509Svid(
    { spiffeId: SpiffeId.parse(id), publicKey },
    { ...attributes, subject: { ...attributes.subject, extraNames } },
  )
  return composed.subject.extraNames
}

describe('uniqueid', () => {
  it('tells every ID from every other, and cannot be told by who names himself so', async () => {
    const web = await uniqueIdOf('spiffe://example.org/web')
    expect(web).toEqual([
      { oid: '2.5.4.3', value: 'web' },
      { oid: '2.5.4.45', value: expect.stringMatching(/^[0-9a-f]{32}$/) },
    ])
    expect(await uniqueIdOf('spiffe://example.org/web2')).not.toEqual(web)
    const [other] = (await uniqueIdOf('spiffe://example.org/other', [])) ?? []
    expect(await uniqueIdOf('spiffe://example.org/web', other && [other])).toEqual([web?.[1]])
  })
})
