import {
  pqKemReason,
  type RefusedKey,
  refusedDogStatsdSocket,
} from '@mini-spire/runtime/config/refused-keys'
import { hasPqKem } from '@mini-spire/runtime/pq-kem'
import type { ServerFile } from './server-file.ts'

/** What SPIRE's server would act on and this one cannot do yet. */
export const refusedKeys: readonly RefusedKey<ServerFile>[] = [
  {
    key: 'experimental.require_pq_kem',
    reason: pqKemReason,
    isSet: ({ server }) => server.experimental.require_pq_kem && !hasPqKem(),
  },
  refusedDogStatsdSocket,
  {
    key: 'plugins.DataStore.plugin_data.database_type',
    reason:
      'only `sqlite3`, which means the embedded store; of `postgres` the data can be imported',
  },
]
