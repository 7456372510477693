import type { FlagsSchema, ParsedFlags } from './flags.ts'
import type { Terminal } from './terminal.ts'

/** A command: its help, its flags, and what it does. */
export interface Command<S extends FlagsSchema = FlagsSchema> {
  /** As help says: mostly, but not always, the words that call it. */
  readonly name: string
  readonly flags: S
  /** What is printed after its help. @default 'flag: help requested' */
  readonly afterHelp?: string
  /**
   * Prints the message of wrong flags a second time after the help.
   *
   * @default false
   */
  readonly repeatsUsageError?: boolean
  /** Prefix of that repetition. @default '' */
  readonly usageErrorPrefix?: string
  /** Runs with parsed flags; resolves to the exit code. What it throws is printed as `Error: <message>`. */
  readonly run: (flags: ParsedFlags<S>, terminal: Terminal) => Promise<number>
  /** Prefix of what it throws. @default 'Error: ' */
  readonly errorPrefix?: string
}

/** A command of any flags, as the dispatcher handles it. */
export interface AnyCommand {
  readonly name: string
  readonly flags: FlagsSchema
  readonly afterHelp: string
  readonly run: (args: readonly string[], terminal: Terminal) => Promise<number>
}

/** The words that call a command, and how to load it. */
export interface CommandEntry {
  /** Such as `entry create`. */
  readonly path: string
  readonly synopsis: string
  readonly load: () => Promise<AnyCommand>
}
