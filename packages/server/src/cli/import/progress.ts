import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import type { RecordKind } from '../../store/store.ts'

/** How many records lie between two lines. */
const stepRecords = 10_000

/** Says on standard error, now and then, how far an import has come. */
export function progressTo(terminal: Terminal): (kind: RecordKind, read: number) => void {
  return (kind, read) => {
    if (read % stepRecords === 0) terminal.err(`${kind}: ${read} read\n`)
  }
}
