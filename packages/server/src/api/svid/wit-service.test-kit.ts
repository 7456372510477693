import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { Issuer } from '../../issuance/issuer.ts'
import { testDomain, testEntry } from '../../store/store.test-kit.ts'
import type { ApiScene } from '../api.test-kit.ts'
import { svidService } from './service.ts'

/** A client of the SVID service of a scene, with WIT-SVIDs or without; the agent that asks has the entry `mine`. */
export async function serveWitSvids(
  scene: ApiScene,
  isEnabled = true,
): Promise<ClientOf<typeof SVIDService>> {
  const { ownBundle: bundle, clock } = scene
  const authorities = scene.authorities(isEnabled ? { witKeyType: 'ec-p256' } : {})
  const issuer = new Issuer({
    trustDomain: testDomain,
    authorities,
    issuanceLog: { append: () => {} },
    clock,
    jwtIssuer: '',
    ttls: {
      x509SvidTtlSeconds: 60,
      jwtSvidTtlSeconds: 60,
      agentSvidTtlSeconds: 60,
      caTtlSeconds: 60,
    },
  })
  const mine = testEntry('mine')
  const channel = await scene.serve(() =>
    svidService({
      trustDomain: testDomain,
      issuer,
      authorizedEntries: () => ({ find: (entryId) => (entryId === 'mine' ? mine : undefined) }),
      bundle: () => bundle.get(),
      areJwtSvidsDisabled: false,
      limit: async () => {},
    }),
  )
  await authorities.start()
  return createClient(SVIDService, channel)
}
