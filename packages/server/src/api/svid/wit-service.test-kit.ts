import { type ClientOf, createClient } from '@mini-spire/runtime/grpc/client'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { AuthorityManager } from '../../ca/authority-manager.ts'
import { Issuer } from '../../issuance/issuer.ts'
import { testDomain, testEntry } from '../../store/store.test-kit.ts'
import type { ApiScene } from '../api.test-kit.ts'
import { svidService } from './service.ts'

/** A client of the SVID service of a scene, with WIT-SVIDs or without; the agent that asks has the entry `mine`. */
export async function serveWitSvids(
  scene: ApiScene,
  isEnabled = true,
): Promise<ClientOf<typeof SVIDService>> {
  const { store, registry, ownBundle: bundle, clock } = scene
  const authorities = new AuthorityManager({
    trustDomain: testDomain,
    keyManager: new MemoryKeyManager(),
    bundle,
    store,
    journals: registry.journals,
    clock,
    log: silentLogger,
    x509KeyType: 'ec-p256',
    jwtKeyType: 'ec-p256',
    witKeyType: isEnabled ? 'ec-p256' : undefined,
    caTtlSeconds: 24 * 3600,
    caSubject: {},
    isJwtDisabled: false,
  })
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
