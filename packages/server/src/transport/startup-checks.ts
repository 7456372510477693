import type { Logger } from '@mini-spire/runtime/log/logger'
import { type ErrorKind, SpiffeError } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Registry } from '../registry/registry.ts'

export type StartErrorCode = 'ERR_STORE_OF_OTHER_TRUST_DOMAIN'

/** A server that does not start. */
export class StartError extends SpiffeError<StartErrorCode> {
  override get kind(): ErrorKind {
    return 'failed-precondition'
  }
}

/**
 * Refuses the store of another trust domain, by its first entry; of a first node of another one it only warns.
 *
 * @throws {StartError} `ERR_STORE_OF_OTHER_TRUST_DOMAIN`
 */
export function checkTrustDomain(
  registry: Pick<Registry, 'entries' | 'nodes'>,
  trustDomain: TrustDomain,
  log: Logger,
): void {
  const [entry] = registry.entries.list({ pageSize: 1 }).entries
  if (entry && !entry.spiffeId.isMemberOf(trustDomain)) {
    const text = `a registration entry with trust domain '${entry.spiffeId.trustDomain}' has been detected, which does not match the configured trust domain of '${trustDomain}'. If you want to change the trust domain, please delete all existing registration entries`
    throw new StartError('ERR_STORE_OF_OTHER_TRUST_DOMAIN', text)
  }
  const [node] = registry.nodes.list({ pageSize: 1 }).nodes
  if (!node || node.spiffeId.isMemberOf(trustDomain)) return
  log.warn(
    `An attested node with trust domain '${node.spiffeId.trustDomain}' has been detected, which does not match the configured trust domain of '${trustDomain}'. Agents may need to be reconfigured to use new trust domain`,
  )
}
