import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { parseWireId } from '@mini-spire/runtime/cli/values'

/** The ID of the agent that a command is about. @throws {CommandError} when it is missing */
export function requiredId(text: string): { trustDomain: string; path: string } {
  if (text === '') throw new CommandError('a SPIFFE ID is required')
  return parseWireId(text)
}
