import type { KeyObject } from 'node:crypto'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService } from '@mini-spire/runtime/grpc/service'
import type { HostService } from '@mini-spire/runtime/plugin-host/host-services'
import { IdentityProviderService } from '@mini-spire/runtime/proto/spire/hostservice/server/identityprovider/v1/identityprovider'
import type { TrustBundle } from '../../model/trust-bundle.ts'
import { bundleToPluginProto } from '../external/bundle-convert.ts'

/** Who the server is, and whom its trust domain trusts. */
export interface ServerIdentity {
  readonly key: KeyObject
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  readonly bundle: TrustBundle
}

/**
 * Hands the server's own X509-SVID, private key included, to its plugins: they call other systems in its name.
 *
 * @param identity undefined until the server has an SVID: plugins that ask meanwhile are refused
 */
export function identityProviderService(identity: () => ServerIdentity | undefined): HostService {
  const binding = bindService(IdentityProviderService, {
    fetchX509Identity: () => {
      const current = identity()
      if (!current) {
        const text = 'IdentityProvider host service has not been initialized'
        throw new ApiError('failed-precondition', text)
      }
      const { key, chain, bundle } = current
      const privateKey = key.export({ type: 'pkcs8', format: 'der' })
      return {
        identity: { certChain: chain.map((one) => Buffer.from(one)), privateKey },
        bundle: bundleToPluginProto(bundle),
      }
    },
  })
  return { name: 'spire.hostservice.server.identityprovider.v1.IdentityProvider', binding }
}
