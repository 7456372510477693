import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { plural } from '@mini-spire/runtime/cli/values'
import {
  CountEntriesResponse,
  EntryService,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { serverCommand } from '../server-command.ts'
import { entryFilter } from './filter.ts'

const flags = {
  downstream: {
    type: 'bool',
    usage:
      'A boolean value that, when set, indicates that the entry describes a downstream SPIRE server',
  },
  federatesWith: {
    type: 'strings',
    usage: 'SPIFFE ID of a trust domain an entry is federate with. Can be used more than once',
  },
  hint: { type: 'string', usage: 'The Hint of the records to count (optional)' },
  matchFederatesWithOn: {
    type: 'string',
    usage:
      'The match mode used when filtering by federates with. Options: exact, any, superset and subset',
    value: 'superset',
  },
  matchSelectorsOn: {
    type: 'string',
    usage:
      'The match mode used when filtering by selectors. Options: exact, any, superset and subset',
    value: 'superset',
  },
  parentID: { type: 'string', usage: 'The Parent ID of the records to count' },
  selector: {
    type: 'strings',
    usage: 'A colon-delimited type:value selector. Can be used more than once',
  },
  spiffeID: { type: 'string', usage: 'The SPIFFE ID of the records to count' },
} as const

/** `entry count` */
export const command: AnyCommand = serverCommand({
  name: 'entry count',
  flags,
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
