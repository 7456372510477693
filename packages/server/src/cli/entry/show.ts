import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { allPages, explain, plural } from '@mini-spire/runtime/cli/values'
import {
  EntryService,
  ListEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { serverCommand } from '../server-command.ts'
import { entryFilter, entryFilterFlags } from './filter.ts'
import { formatEntry } from './print-entry.ts'
import { sortEntries } from './sort-entries.ts'

/** A page that stays under the size of a message. */
const pageSize = 500

const flags = {
  entryID: { type: 'string', usage: 'The Entry ID of the records to show' },
  ...entryFilterFlags('show'),
} as const

/** `entry show` */
export const command: AnyCommand = serverCommand({
  name: 'entry show',
  flags,
  async run({ flags: values, terminal, client, print }) {
    const { entryID: id, parentID, spiffeID, selector } = values
    let entries: Entry[]
    if (id !== '') {
      if (parentID !== '' || spiffeID !== '' || selector.length > 0) {
        throw new CommandError("the -entryID flag can't be combined with others")
      }
      const prefix = `error fetching entry ID ${id}: `
      const service = await explain(prefix, client(EntryService))
      entries = [await explain(prefix, service.getEntry({ id, outputMask: undefined }))]
    } else {
      const filter = entryFilter(values)
      const prefix = 'error fetching entries: '
      const service = await explain(prefix, client(EntryService))
      entries = await allPages(async (pageToken) => {
        const request = { filter, outputMask: undefined, pageSize, pageToken }
        const page = await explain(prefix, service.listEntries(request))
        return { items: page.entries, nextPageToken: page.nextPageToken }
      })
    }
    const sorted = sortEntries(entries)
    const bytes = ListEntriesResponse.encode({ entries: sorted, nextPageToken: '' }).finish()
    await print({ type: 'spire.api.server.entry.v1.ListEntriesResponse', bytes }, () => {
      terminal.out(`Found ${plural(sorted.length, 'entry', 'entries')}\n`)
      for (const entry of sorted) terminal.out(formatEntry(entry))
    })
    return 0
  },
})
