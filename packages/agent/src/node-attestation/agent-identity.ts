import type { Clock } from '@mini-spire/runtime/clock'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Metrics, noMetrics, timeCall } from '@mini-spire/runtime/telemetry/metrics'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { NodeAttestation, NodeAttestor } from '../plugins/node-attestor/node-attestor.ts'
import type { AttestationApi, ServerApi } from '../server-api/server-api.ts'
import type { AgentStorage } from '../storage/agent-state.ts'
import { findKeyOf, generateNextKey } from './agent-keys.ts'
import { type AgentSvid, agentSvidFrom, parseChain } from './agent-svid.ts'
import type { BootstrapTrust } from './bootstrap.ts'
import { NodeAttestationError } from './node-attestation-error.ts'

const csrSubject = { country: ['US'], organization: ['SPIRE'] }
/** An SVID that ends sooner than this counts as expired. */
const clockSkewMs = 1000
const newSvidKey = ['node', 'attestor', 'new_svid']

/** Options of {@link AgentIdentity}. */
export interface AgentIdentityOptions {
  readonly keys: KeyManager
  readonly storage: AgentStorage
  readonly attestor: NodeAttestor
  /** Opens a connection without a client certificate. The caller closes it. */
  readonly connect: (trust: BootstrapTrust) => AttestationApi
  readonly clock: Clock
  readonly log: Logger
  /** @default nothing is counted */
  readonly metrics?: Metrics
}

/** The agent's own SVID: found on disk, attested for, renewed. Every change is kept on disk and told to listeners. */
export class AgentIdentity {
  readonly #options: AgentIdentityOptions
  readonly #listeners = new Set<() => void>()
  #svid: AgentSvid | undefined
  #change: Promise<unknown> = Promise.resolve()

  constructor(options: AgentIdentityOptions) {
    this.#options = options
  }

  /** The SVID in use; undefined before the first attestation. */
  get current(): AgentSvid | undefined {
    return this.#svid
  }

  /** Calls back after every change; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes the SVID on disk when its key is there and it is good; says in the log why not otherwise. */
  async load(): Promise<AgentSvid | undefined> {
    const { keys, storage, clock, log } = this.#options
    const { svid: chain, isReattestable } = storage.state
    const all = await keys.listKeys()
    if (chain.length === 0) {
      log.debug('No pre-existing agent SVID found. Will perform node attestation')
      if (all.length > 0) log.warn('Keys recovered, but no SVID found. Generating new keypair')
      return undefined
    }
    const [leaf] = parseChain(chain)
    const key = leaf && (await findKeyOf(keys, leaf.spki))
    if (!leaf || !key) {
      const what = all.length > 0 ? 'SVID key' : 'keys'
      log.warn(`SVID recovered, but no ${what} found. Generating new keypair`)
      return undefined
    }
    if (clock.nowMs() + clockSkewMs >= leaf.notAfter.getTime()) {
      log.warn('SVID key recovered, but SVID is expired. Generating new keypair', {
        expiry: leaf.notAfter.toISOString(),
      })
      return undefined
    }
    this.#svid = agentSvidFrom({ chain, key, isReattestable })
    return this.#svid
  }

  /** Attests, and asks for the bundle on the same connection. One change of the SVID runs at a time. */
  attest(trust: BootstrapTrust, signal: AbortSignal): Promise<TrustBundle> {
    const { attestor, clock, metrics = noMetrics } = this.#options
    const labels = { attestor: attestor.name }
    return timeCall(metrics, clock, newSvidKey, () => this.#attest(trust, signal), labels)
  }

  #attest(trust: BootstrapTrust, signal: AbortSignal): Promise<TrustBundle> {
    return this.#alone(async () => {
      const { attestor, connect, keys } = this.#options
      const key = await generateNextKey(keys, this.#svid?.key)
      const csr = await buildCsr({ key, subject: csrSubject })
      const api = connect(trust)
      let attestation: NodeAttestation | undefined
      try {
        attestation = await attestor.begin({ signal })
        const request = { type: attestor.name, attestation, csr, signal }
        const { chain, isReattestable } = await api.attest(request)
        const svid = agentSvidFrom({ chain, key, isReattestable })
        const bundle = await updatedBundle(api, signal)
        await this.#accept(svid)
        return bundle
      } finally {
        await attestation?.end?.()
        api.close()
      }
    })
  }

  /** Renews with a fresh key over the agent's own connection. */
  renew(server: Pick<ServerApi, 'renew'>, signal: AbortSignal): Promise<void> {
    return this.#alone(async () => {
      const key = await generateNextKey(this.#options.keys, this.#svid?.key)
      const csr = await buildCsr({ key, subject: csrSubject })
      const chain = await server.renew(csr, signal)
      await this.#accept(agentSvidFrom({ chain, key, isReattestable: false }))
    })
  }

  /** Forgets the SVID on disk: the server does not know this agent any more. */
  async forget(): Promise<void> {
    await this.#options.storage.update({ svid: [], isReattestable: false })
  }

  async #accept(svid: AgentSvid): Promise<void> {
    this.#svid = svid
    const { storage, log } = this.#options
    const chain = svid.certificates.map(({ raw }) => raw)
    await storage
      .update({ svid: chain, isReattestable: svid.isReattestable })
      .catch((error) => log.warn('Could not store SVID', { error: messageOf(error) }))
    for (const listener of this.#listeners) listener()
  }

  #alone<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#change.then(change)
    this.#change = result.catch(() => {})
    return result
  }
}

async function updatedBundle(api: AttestationApi, signal: AbortSignal): Promise<TrustBundle> {
  try {
    return await api.getBundle(signal)
  } catch (error) {
    // Said twice, as scripts that watch SPIRE's log know it.
    const message = `failed to get updated bundle: failed to get updated bundle ${messageOf(error)}`
    throw new NodeAttestationError('ERR_BOOTSTRAP_BUNDLE', message, { cause: error })
  }
}
