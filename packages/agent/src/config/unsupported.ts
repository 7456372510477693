import {
  pqKemReason,
  type RefusedKey,
  refusedDogStatsdSocket,
} from '@mini-spire/runtime/config/refused-keys'
import { hasPqKem } from '@mini-spire/runtime/pq-kem'
import type { AgentFile } from './agent-file.ts'

/** Why a `sigstore` block is refused: whoever asked for that must not be served without. */
export const sigstoreReason =
  'image signatures are not verified; remove the block, and select images by digest'

/** What SPIRE's agent would act on and this one cannot do yet. */
export const refusedKeys: readonly RefusedKey<AgentFile>[] = [
  {
    key: 'experimental.require_pq_kem',
    reason: pqKemReason,
    isSet: ({ agent }) => agent.experimental.require_pq_kem && !hasPqKem(),
  },
  refusedDogStatsdSocket,
  { key: 'plugins.WorkloadAttestor.plugin_data.sigstore', reason: sigstoreReason },
]
