import { CommandError } from '@mini-spire/runtime/cli/usage-error'

/** The first message of a stream, which is then left. @throws {CommandError} when it ends without one */
export async function first<T>(stream: AsyncIterable<T>): Promise<T> {
  for await (const message of stream) return message
  throw new CommandError('EOF')
}
