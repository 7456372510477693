import { pqKemReason, type RefusedKey } from '@mini-spire/runtime/config/refused-keys'
import { hasPqKem } from '@mini-spire/runtime/pq-kem'
import type { AgentFile } from './agent-file.ts'

/** What SPIRE's agent would act on and this one cannot do yet. */
export const refusedKeys: readonly RefusedKey<AgentFile>[] = [
  {
    key: 'experimental.require_pq_kem',
    reason: pqKemReason,
    isSet: ({ agent }) => agent.experimental.require_pq_kem && !hasPqKem(),
  },
]
