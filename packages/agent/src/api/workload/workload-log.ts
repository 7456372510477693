import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import type { WorkloadIdentity } from '../../cache/workload-view.ts'
import type { AgentEntry } from '../../model/agent-entry.ts'
import type { WorkloadJwtSvid } from '../../model/svid.ts'

/** Says what a workload was given, in SPIRE's words: who looks for the identity of a workload looks for these lines. */
export function logX509Svids(
  log: Logger,
  identities: readonly WorkloadIdentity[],
  nowMs: number,
  { message = 'Fetched X.509 SVID', fields = {} }: { message?: string; fields?: LogFields } = {},
): void {
  if (!log.isEnabled('debug')) return
  for (const { entry, svid } of identities) {
    log.debug(message, {
      ...fields,
      count: identities.length,
      spiffe_id: entry.spiffeId.toString(),
      ttl: (svid.notAfterMs - nowMs) / 1000,
    })
  }
}

/** As {@link logX509Svids}, for one JWT-SVID. */
export function logJwtSvid(
  log: Logger,
  given: { readonly entry: AgentEntry; readonly svid: WorkloadJwtSvid },
  nowMs: number,
  fields: LogFields = {},
): void {
  if (!log.isEnabled('debug')) return
  log.debug('Fetched JWT SVID', {
    ...fields,
    spiffe_id: given.entry.spiffeId.toString(),
    ttl: (given.svid.expiresAtMs - nowMs) / 1000,
  })
}
