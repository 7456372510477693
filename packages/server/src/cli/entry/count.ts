import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { plural } from '@mini-spire/runtime/cli/values'
import {
  CountEntriesResponse,
  EntryService,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { serverCommand } from '../server-command.ts'
import { entryFilter, entryFilterFlags } from './filter.ts'

/** `entry count` */
export const command: AnyCommand = serverCommand({
  name: 'entry count',
  flags: entryFilterFlags('count'),
  async run({ flags: values, terminal, client, print }) {
    const filter = entryFilter(values)
    const reply = await (await client(EntryService)).countEntries({ filter })
    const bytes = CountEntriesResponse.encode(reply).finish()
    await print({ type: 'spire.api.server.entry.v1.CountEntriesResponse', bytes }, () => {
      terminal.out(`${plural(reply.count, 'registration entry', 'registration entries')}\n`)
    })
    return 0
  },
})
