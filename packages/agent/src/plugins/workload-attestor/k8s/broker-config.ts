import type { Decoded } from '@mini-spire/runtime/config/schema'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'

const schema = {
  access_policy: { type: 'string' },
  brokers: {
    type: 'sections',
    fields: { id: { type: 'string' }, pod_reference_scope: { type: 'string' } },
  },
} as const

/** The keys of `experimental.broker`. */
export const k8sBrokerSchema: typeof schema = schema

type Keys = Decoded<typeof schema>

/** Where the pods are that a broker may name: on this node, or anywhere in the cluster. */
export type PodReferenceScope = 'agent_node' | 'cluster'

/** What brokers may have of the cluster's objects. */
export interface K8sBrokerConfig {
  /** Whether the cluster is asked if a broker may have this object. */
  readonly isEnforced: boolean
  /** By SPIFFE ID. */
  readonly scopes: ReadonlyMap<string, PodReferenceScope>
}

const path = 'experimental.broker'

/** @throws {CatalogError} `ERR_PLUGIN_CONFIG` */
export function readK8sBrokers(keys: Keys, isKubeletDisabled: boolean): K8sBrokerConfig {
  const isEnforced = readAccessPolicy(keys.access_policy)
  if (keys.brokers.length === 0) throw refused(`${path}.brokers: at least one broker is required`)
  const scopes = new Map<string, PodReferenceScope>()
  for (const [index, { id, pod_reference_scope }] of keys.brokers.entries()) {
    if (id === '') throw refused(`${path}.brokers[${index}].id: must be specified`)
    if (scopes.has(id)) throw refused(`${path}.brokers[${id}].id: duplicate broker id`)
    checkId(id)
    const scope = readScope(id, pod_reference_scope)
    if (isKubeletDisabled && scope !== 'cluster') {
      throw refused(
        `${path}.brokers[${id}].pod_reference_scope must be "cluster" when disable_kubelet_client is true`,
      )
    }
    scopes.set(id, scope)
  }
  return { isEnforced, scopes }
}

function readAccessPolicy(text: string): boolean {
  const known = 'must be specified as one of [permissive, enforced]'
  if (text === '') throw refused(`${path}.access_policy: ${known}`)
  if (text === 'permissive' || text === 'enforced') return text === 'enforced'
  const unsupported = `unsupported value ${quoteGo(text)}; must be one of [permissive, enforced]`
  throw refused(`${path}.access_policy: ${unsupported}`)
}

function readScope(id: string, text: string): PodReferenceScope {
  if (text === '' || text === 'agent_node') return 'agent_node'
  if (text === 'cluster') return 'cluster'
  const unsupported = `unsupported value ${quoteGo(text)}; must be one of [agent_node, cluster]`
  throw refused(`${path}.brokers[${id}].pod_reference_scope: ${unsupported}`)
}

function checkId(id: string): void {
  try {
    SpiffeId.parse(id)
  } catch (error) {
    throw refused(`${path}.brokers[${id}].id: ${messageOf(error)}`)
  }
}

function refused(message: string): CatalogError {
  return new CatalogError('ERR_PLUGIN_CONFIG', message)
}
