import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import type { Status } from '@mini-spire/runtime/proto/spire/api/types/status'
import { grpcStatusName } from '@mini-spire/sdk/grpc-status'
import { formatEntry } from './print-entry.ts'

/** What became of one entry of a batch. */
export interface EntryResult {
  readonly status: Status | undefined
  readonly entry: Entry | undefined
}

/** Whether an item of a batch went well. */
export function hasSucceeded(result: { readonly status: Status | undefined }): boolean {
  return (result.status?.code ?? 0) === 0
}

/** Puts the entry that was asked for into each result that failed: the reply does not have it. */
export function withRequested<R extends EntryResult>(
  results: readonly R[],
  requested: readonly Entry[],
): R[] {
  return results.map((result, index) =>
    hasSucceeded(result) ? result : { ...result, entry: requested[index] },
  )
}

/** `(code: NotFound, msg: "…")` */
export function formatStatus(status: Status | undefined): string {
  const { code, message } = status ?? { code: 0, message: '' }
  return `(code: ${grpcStatusName(code)}, msg: ${quoteGo(message)})`
}

/**
 * Prints what went well to standard output, then what failed to standard error.
 *
 * @param verb `create` or `update`
 * @throws {CommandError} when anything failed
 */
export function printResults(
  results: readonly EntryResult[],
  verb: string,
  terminal: Terminal,
): void {
  for (const { entry } of results.filter(hasSucceeded)) {
    if (entry) terminal.out(formatEntry(entry))
  }
  const failed = results.filter((result) => !hasSucceeded(result))
  for (const { entry, status } of failed) {
    terminal.err(`Failed to ${verb} the following entry ${formatStatus(status)}:\n`)
    if (entry) terminal.err(formatEntry(entry))
  }
  if (failed.length > 0) throw new CommandError(`failed to ${verb} one or more entries`)
}
