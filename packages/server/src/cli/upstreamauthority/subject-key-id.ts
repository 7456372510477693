import { CommandError } from '@mini-spire/runtime/cli/usage-error'

/** The upstream authority that the flag names. @throws {CommandError} when it names none */
export function requiredSubjectKeyId(text: string): string {
  if (text === '')
    throw new CommandError('the Subject Key ID of the X.509 upstream authority is required')
  return text
}

/** What is said of an upstream authority after a change. */
export function formatUpstream(done: 'Tainted' | 'Revoked', subjectKeyId: string): string {
  return `${done} X.509 upstream authority:\n  Subject Key ID: ${subjectKeyId}\n`
}
