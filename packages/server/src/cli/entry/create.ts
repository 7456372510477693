import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { parseWireId } from '@mini-spire/runtime/cli/values'
import {
  BatchCreateEntryResponse,
  EntryService,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { serverCommand } from '../server-command.ts'
import { checkTtls, entryFromFlags } from './entry-from-flags.ts'
import { type EntryFlagValues, entryFlags } from './flags.ts'
import { parseEntries, readData } from './parse-file.ts'
import { printResults, withRequested } from './print-results.ts'
import { changeAndWait, changedIds, type WaitFlagValues, waitFlags } from './wait-for-agents.ts'

interface CreateFlags extends EntryFlagValues, WaitFlagValues {
  readonly entryID: string
  readonly node: boolean
  readonly disableX509SVIDPrefetch: boolean
  readonly jwtSVIDIncludeJTI: boolean
}

/** `entry create` */
export const command: AnyCommand = serverCommand({
  name: 'entry create',
  flags: {
    ...entryFlags,
    entryID: {
      type: 'string',
      usage:
        'A custom ID for this registration entry (optional). If not set, a new entry ID will be generated',
    },
    node: {
      type: 'bool',
      usage: 'If set, this entry will be applied to matching nodes rather than workloads',
    },
    ...waitFlags,
  },
  async run(context) {
    const { flags, terminal, client, print } = context
    const entries =
      flags.data === '' ? [fromFlags(flags)] : parseEntries(readData(flags.data, terminal))
    const service = await client(EntryService)
    await changeAndWait(context, flags, [], async () => {
      const reply = await service.batchCreateEntry({ entries: [...entries], outputMask: undefined })
      const results = withRequested(reply.results, entries)
      const bytes = BatchCreateEntryResponse.encode({ results }).finish()
      await print({ type: 'spire.api.server.entry.v1.BatchCreateEntryResponse', bytes }, () => {
        printResults(results, 'create', terminal)
      })
      return changedIds(results)
    })
    return 0
  },
})

function fromFlags(flags: CreateFlags): Entry {
  if (flags.selector.length === 0) throw new CommandError('at least one selector is required')
  if (flags.node && flags.federatesWith.length > 0) {
    throw new CommandError('node entries can not federate')
  }
  if (flags.parentID === '' && !flags.node) {
    throw new CommandError('a parent ID is required if the node flag is not set')
  }
  if (flags.spiffeID === '') throw new CommandError('a SPIFFE ID is required')
  checkTtls(flags)
  const spiffeId = parseWireId(flags.spiffeID)
  const parentId = flags.node
    ? { trustDomain: spiffeId.trustDomain, path: '/spire/server' }
    : parseWireId(flags.parentID)
  const hasAttributes = flags.disableX509SVIDPrefetch || flags.jwtSVIDIncludeJTI
  const additionalAttributes = hasAttributes
    ? {
        disableX509SvidPrefetch: flags.disableX509SVIDPrefetch,
        jwtSvidIncludeJti: flags.jwtSVIDIncludeJTI,
      }
    : undefined
  return entryFromFlags(flags, { id: flags.entryID, spiffeId, parentId, additionalAttributes })
}
