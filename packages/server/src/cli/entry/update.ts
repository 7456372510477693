import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain, parseWireId } from '@mini-spire/runtime/cli/values'
import {
  BatchUpdateEntryResponse,
  EntryService,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { serverCommand } from '../server-command.ts'
import { checkTtls, entryFromFlags } from './entry-from-flags.ts'
import { type EntryFlagValues, entryFlags } from './flags.ts'
import { parseEntries, readData } from './parse-file.ts'
import { printResults, withRequested } from './print-results.ts'
import { changeAndWait, changedIds, waitFlags } from './wait-for-agents.ts'

/** `entry update`: replaces the entry; what is not given is reset. */
export const command: AnyCommand = serverCommand({
  name: 'entry update',
  flags: {
    ...entryFlags,
    disableX509SVIDPrefetch: { ...entryFlags.disableX509SVIDPrefetch, takesAnything: true },
    jwtSVIDIncludeJTI: { ...entryFlags.jwtSVIDIncludeJTI, takesAnything: true },
    entryID: { type: 'string', usage: 'The Registration Entry ID of the record to update' },
    ...waitFlags,
  },
  async run(context) {
    const { flags, terminal, client, print } = context
    const isFromFile = flags.data !== ''
    const attributes = {
      disableX509SvidPrefetch: flags.disableX509SVIDPrefetch,
      jwtSvidIncludeJti: flags.jwtSVIDIncludeJTI,
    }
    const hasAttributes = attributes.disableX509SvidPrefetch || attributes.jwtSvidIncludeJti
    const entries = isFromFile
      ? parseEntries(readData(flags.data, terminal))
      : [fromFlags(flags, hasAttributes ? attributes : undefined)]
    const service = await client(EntryService)
    const requested = [...entries]
    const [only] = requested
    if (!isFromFile && hasAttributes && only) {
      const existing = await explain(
        'failed to fetch existing entry to merge additional attributes: ',
        service.getEntry({ id: flags.entryID, outputMask: undefined }),
      )
      requested[0] = { ...only, additionalAttributes: merge(attributes, existing) }
    }
    const ids = requested.map(({ id }) => id)
    await changeAndWait(context, flags, ids, async () => {
      const reply = await service.batchUpdateEntry({
        entries: requested,
        inputMask: undefined,
        outputMask: undefined,
      })
      const results = withRequested(reply.results, requested)
      const bytes = BatchUpdateEntryResponse.encode({ results }).finish()
      await print({ type: 'spire.api.server.entry.v1.BatchUpdateEntryResponse', bytes }, () => {
        printResults(results, 'update', terminal)
      })
      return changedIds(results)
    })
    return 0
  },
})

type Attributes = NonNullable<Entry['additionalAttributes']>

/** The attribute that was not given stays as it is. */
function merge(given: Attributes, existing: Entry): Attributes {
  const before = existing.additionalAttributes
  return {
    disableX509SvidPrefetch:
      given.disableX509SvidPrefetch || (before?.disableX509SvidPrefetch ?? false),
    jwtSvidIncludeJti: given.jwtSvidIncludeJti || (before?.jwtSvidIncludeJti ?? false),
  }
}

function fromFlags(
  flags: EntryFlagValues & { readonly entryID: string },
  additionalAttributes: Attributes | undefined,
): Entry {
  if (flags.entryID === '') throw new CommandError('entry ID is required')
  if (flags.selector.length === 0) throw new CommandError('at least one selector is required')
  if (flags.parentID === '') throw new CommandError('a parent ID is required')
  if (flags.spiffeID === '') throw new CommandError('a SPIFFE ID is required')
  checkTtls(flags)
  const parentId = parseWireId(flags.parentID)
  const spiffeId = parseWireId(flags.spiffeID)
  return entryFromFlags(flags, { id: flags.entryID, spiffeId, parentId, additionalAttributes })
}
