import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parsePublicKey } from '@mini-spire/sdk/x509'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { signDownstreamCa } from './sign-ca.ts'
import { makeX509Ca } from './x509-ca.ts'
import { type IssuedCa, selfSigningIssuer, type X509CaIssuer } from './x509-ca-issuer.ts'

const ttlSeconds = 3600

/** Has every authority signed by a root of its own: all that an authority above looks like from a server. */
export function testUpstreamIssuer(options: {
  readonly trustDomain: TrustDomain
  readonly bundle: OwnBundle
}): X509CaIssuer {
  const keys = new MemoryKeyManager()
  const shared = { ...options, ttlSeconds, serialNumbers: new SerialNumbers() }
  const roots = selfSigningIssuer({ ...shared, subject: {} })
  const issue = async (request: { key: SigningKey; nowMs: number }): Promise<IssuedCa> => {
    const { nowMs } = request
    const key = await keys.generateKey('root', 'ec-p256')
    const ca = makeX509Ca({ ...(await roots.issue({ key, nowMs })), key })
    const publicKey = parsePublicKey(request.key.publicKey)
    const { chain } = await signDownstreamCa({ ...shared, ca, publicKey, nowMs })
    return { certificate: chain[0] as Uint8Array, upstreamChain: chain }
  }
  return { isUpstream: true, issue }
}
