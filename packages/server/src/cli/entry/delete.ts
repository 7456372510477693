import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { decodeGoJson } from '@mini-spire/runtime/cli/go-json-decode'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import {
  BatchDeleteEntryResponse,
  EntryService,
  type BatchDeleteEntryResponse_Result as Result,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { serverCommand } from '../server-command.ts'
import { readData } from './parse-file.ts'
import { formatStatus, hasSucceeded } from './print-results.ts'
import { changeAndWait, waitFlags } from './wait-for-agents.ts'

/** `entry delete` */
export const command: AnyCommand = serverCommand({
  name: 'entry delete',
  flags: {
    entryID: { type: 'string', usage: 'The Registration Entry ID of the record to delete.' },
    file: {
      type: 'string',
      usage:
        "Path to a file containing a JSON structure for batch deletion (optional). If set to '-', read from stdin.",
    },
    ...waitFlags,
  },
  async run(context) {
    const { flags, terminal, client, print } = context
    if (flags.file === '' && flags.entryID === '') {
      throw new CommandError('an entry ID is required')
    }
    const ids = flags.file === '' ? [flags.entryID] : parseIds(readData(flags.file, terminal))
    await changeAndWait(context, flags, ids, async () => {
      const reply = await (await client(EntryService)).batchDeleteEntry({ ids })
      const bytes = BatchDeleteEntryResponse.encode(reply).finish()
      await print({ type: 'spire.api.server.entry.v1.BatchDeleteEntryResponse', bytes }, () => {
        printDeleted(reply.results, terminal)
      })
      return []
    })
    return 0
  },
})

function parseIds(text: string): string[] {
  const file = decodeGoJson(text, {
    kind: 'object',
    type: 'entryv1.BatchDeleteEntryRequest',
    members: { ids: { kind: 'list', element: { kind: 'string' } } },
  }) as { readonly ids?: readonly (string | undefined)[] } | undefined
  return (file?.ids ?? []).map((id) => id ?? '')
}

/** The last line has no end: scripts compare it so. */
function printDeleted(results: readonly Result[], terminal: Terminal): void {
  const succeeded = results.filter(hasSucceeded)
  const failed = results.filter((result) => !hasSucceeded(result))
  for (const { id } of succeeded) terminal.out(`Deleted entry with ID: ${id}\n`)
  if (succeeded.length > 0) terminal.out('\n\n')
  for (const { id, status } of failed) {
    terminal.err(`Failed to delete entry with ID ${id} ${formatStatus(status)}\n`)
  }
  if (failed.length === 0) {
    terminal.out(`Deleted ${succeeded.length} entries successfully`)
    return
  }
  terminal.out(
    succeeded.length === 0
      ? `\n\nFailed to delete ${failed.length} entries`
      : `\n\nDeleted ${succeeded.length} entries successfully, but failed to delete ${failed.length} entries`,
  )
  throw new CommandError('failed to delete one or more entries')
}
