import { resolve } from 'node:path'
import { openSocket } from '@mini-spire/runtime/cli/socket'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import type { TokenKey } from '../oidc/published-keys.ts'
import type { KeySource } from './key-poller.ts'

/** The keys of a trust domain, over an agent's Workload API: this process needs an entry there. */
export class WorkloadApiSource implements KeySource {
  readonly #path: string
  readonly #trustDomain: TrustDomain
  readonly #log: Logger

  /** @throws for a trust domain that is none */
  constructor(socketPath: string, trustDomain: string, log: Logger) {
    this.#path = resolve(socketPath)
    this.#trustDomain = TrustDomain.parse(trustDomain)
    this.#log = log
  }

  async fetch(signal: AbortSignal): Promise<readonly TokenKey[] | undefined> {
    try {
      // Says what is wrong with the socket in words that operators of SPIRE know.
      ;(await openSocket(this.#path, 'plain')).close()
      using client = new WorkloadApiClient({ address: `unix://${this.#path}` })
      const bundles = await client.fetchJwtBundles({ signal })
      const bundle = bundles.findJwtBundle(this.#trustDomain)
      if (bundle) return bundle.authorities
      const trustDomainId = `spiffe://${this.#trustDomain}`
      const message = 'No bundle for trust domain in Workload API response'
      this.#log.error(message, { trust_domain_id: trustDomainId })
    } catch (error) {
      const message = 'Failed to fetch JWKS from the Workload API'
      this.#log.warn(message, { error: messageOf(error) })
    }
    return undefined
  }
}
