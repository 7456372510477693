import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { CallContext, UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import type { BoundMethod, ServiceBinding } from '@mini-spire/runtime/grpc/service'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PeerError } from '@mini-spire/runtime/peer/peer-error'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { WorkloadCache } from '../cache/workload-cache.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { Selector } from '../model/selector.ts'
import type { WorkloadX509Svid } from '../model/svid.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { WorkloadAttestation } from '../workload-attestation/attest-workload.ts'
import { Callers } from './callers.ts'
import { WorkloadRateLimit } from './workload/rate-limit.ts'

export const testDomain: TrustDomain = TrustDomain.parse('example.org')

/** What the caller looks like. */
export const looks: Selector = { type: 'unix', value: 'uid:1000' }

/** An entry for whoever looks like the caller. */
export function testAgentEntry(id: string, fields: Partial<AgentEntry> = {}): AgentEntry {
  return {
    id,
    spiffeId: SpiffeId.parse(`spiffe://example.org/${id}`),
    selectors: [looks],
    federatesWith: [],
    admin: false,
    downstream: false,
    revisionNumber: 0,
    storeSvid: false,
    hint: '',
    createdAtSeconds: 0,
    disableX509SvidPrefetch: false,
    ...fields,
  }
}

/** A bundle whose only root is as many bytes of its number as it takes: nobody parses it here. */
export function testBundle(
  sequenceNumber: number,
  trustDomain: TrustDomain = testDomain,
): TrustBundle {
  const x509Authorities = [{ certificate: Uint8Array.of(sequenceNumber), tainted: false }]
  return { trustDomain, x509Authorities, jwtAuthorities: [], refreshHintSeconds: 0, sequenceNumber }
}

/** An SVID of bytes that nobody parses. */
export const testSvid: WorkloadX509Svid = {
  chain: [Uint8Array.of(1)],
  privateKey: Uint8Array.of(2),
  notBeforeMs: 0,
  notAfterMs: 1e15,
  revisionNumber: 0,
}

/** A cache and one caller on a socket, whose process can become another while it is served. */
export class ApiScene {
  readonly clock: FakeClock = new FakeClock()
  readonly process: { isSame: boolean } = { isSame: true }
  readonly cache: WorkloadCache
  readonly callers: Callers
  readonly gone: AbortController = new AbortController()

  constructor(perSecond: ReadonlyMap<string, number> = new Map()) {
    const { clock } = this
    this.cache = new WorkloadCache({ ownBundle: testBundle(1), maxX509Svids: 10, clock })
    this.callers = new Callers({
      attestation: new WorkloadAttestation({
        attestors: [{ name: 'unix', attest: () => [looks] }],
        clock,
        log: silentLogger,
        ownPid: 1,
      }),
      rateLimit: new WorkloadRateLimit({ perSecond, clock }),
      logSelectors: [],
      ownPid: 1,
    })
  }

  /** What the server says there is; everything is signed at once. */
  update(
    entries: readonly AgentEntry[],
    ownBundle: TrustBundle = testBundle(1),
    ...federatedBundles: readonly TrustBundle[]
  ): void {
    const byId = new Map(entries.map((entry) => [entry.id, entry]))
    this.cache.update({ entries: byId, ownBundle, federatedBundles })
    this.cache.setX509Svids(new Map(entries.map(({ id }) => [id, testSvid])))
  }

  /** What a handler gets, and the handler itself. */
  method(binding: ServiceBinding<CallContext>, path: string): BoundMethod<CallContext> {
    const bound = binding.methods.find((one) => one.path === path)
    if (!bound) throw new Error(`no ${path}`)
    return bound
  }

  context(path: string): CallContext {
    const assertAlive = (): void => {
      if (!this.process.isSame)
        throw new PeerError('ERR_PEER_CHANGED', 'process 7 runs another executable')
    }
    const peer: UnixPeer = { kind: 'unix', pid: 7, uid: 1000, gid: 1000, assertAlive }
    return {
      peer,
      method: path,
      requestId: 'r',
      signal: this.gone.signal,
      clock: this.clock,
      log: silentLogger,
      metadata: () => [],
    }
  }
}
