import type { Clock } from '@mini-spire/runtime/clock'
import type { AwsApi, AwsPlace } from './aws-api.ts'
import { MembershipCache } from './membership-cache.ts'

const ttlMs = 30_000
/** More places than this, and the oldest is asked anew. */
const maxPlaces = 256

/** Options of {@link ClusterMembers}. */
export interface ClusterMembersOptions {
  readonly api: Pick<AwsApi, 'listClusterInstances'>
  readonly clock: Clock
  readonly clusterNames: readonly string[]
}

/**
 * Which instances belong to the node groups of clusters. A cluster is one of the instance's own account and region: a
 * cluster of the same name elsewhere never vouches for it.
 */
export class ClusterMembers {
  readonly #options: ClusterMembersOptions
  readonly #places: Map<string, MembershipCache> = new Map()

  constructor(options: ClusterMembersOptions) {
    this.#options = options
  }

  /** @throws {Error} when the members cannot be had */
  async has({
    accountId,
    region,
    instanceId,
  }: AwsPlace & { instanceId: string }): Promise<boolean> {
    const key = `${accountId}@${region}`
    let members = this.#places.get(key)
    if (!members) {
      const [oldest] = this.#places.keys()
      if (oldest !== undefined && this.#places.size >= maxPlaces) this.#places.delete(oldest)
      const { clock } = this.#options
      members = new MembershipCache({
        clock,
        ttlMs,
        load: (signal) => this.#load({ accountId, region }, signal),
      })
      this.#places.set(key, members)
    }
    return await members.has(instanceId)
  }

  async #load(place: AwsPlace, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { api, clusterNames } = this.#options
    const instances = new Set<string>()
    for (const name of clusterNames) {
      for (const id of await api.listClusterInstances(place, name, signal)) instances.add(id)
    }
    return instances
  }
}
