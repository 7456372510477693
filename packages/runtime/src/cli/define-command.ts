import { messageOf } from '@mini-spire/sdk/errors'
import type { AnyCommand, Command } from './command.ts'
import { type FlagsSchema, type ParsedFlags, parseFlags, usageText } from './flags.ts'
import { HelpRequest, UsageError } from './usage-error.ts'

/**
 * Makes a command that can be dispatched to: parses its flags, prints what is wrong with them, runs it, prints what it
 * throws, and says how the process ends.
 */
export function defineCommand<const S extends FlagsSchema>(command: Command<S>): AnyCommand {
  const { name, flags, errorPrefix = 'Error: ' } = command
  return {
    name,
    flags,
    afterHelp: command.afterHelp ?? 'flag: help requested',
    async run(args, terminal) {
      let parsed: ParsedFlags<S>
      try {
        parsed = parseFlags(flags, args)
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
        const message = error instanceof HelpRequest ? '' : `${error.message}\n`
        terminal.err(`${message}${usageText(name, flags)}`)
        if (command.repeatsUsageError) {
          terminal.err(`${command.usageErrorPrefix ?? ''}${error.message}\n`)
        }
        return 1
      }
      try {
        return await command.run(parsed, terminal)
      } catch (error) {
        terminal.err(`${errorPrefix}${messageOf(error)}\n`)
        return 1
      }
    },
  }
}
