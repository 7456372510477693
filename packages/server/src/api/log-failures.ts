import { errorText, isPluginAnswer } from '@mini-spire/runtime/grpc/status-text'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import type { ServerCall } from '../authorization/caller.ts'

type Handler = (call: ServerCall, request: never) => unknown

/**
 * Makes handlers write one error line for each call that they refuse. What nobody expected is logged by the host.
 */
export function logFailures<Handlers extends Readonly<Record<string, Handler>>>(
  handlers: Handlers,
): Handlers {
  const logged = Object.entries<Handler>(handlers).map(([name, handler]) => {
    const wrapped: Handler = (call, request) => {
      const answer = refusalsLogged(call, () => handler(call, request))
      return isStream(answer) ? streamLogged(call, answer) : promiseLogged(call, answer)
    }
    return [name, wrapped] as const
  })
  return Object.fromEntries(logged) as Handlers
}

function isStream(answer: unknown): answer is AsyncIterable<unknown> {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
}

function refusalsLogged<T>(call: ServerCall, work: () => T): T {
  try {
    return work()
  } catch (error) {
    logFailure(call.log, error)
    throw error
  }
}

async function promiseLogged(call: ServerCall, answer: unknown): Promise<unknown> {
  try {
    return await answer
  } catch (error) {
    logFailure(call.log, error)
    throw error
  }
}

async function* streamLogged(
  call: ServerCall,
  answer: AsyncIterable<unknown>,
): AsyncGenerator<unknown, void> {
  try {
    yield* answer
  } catch (error) {
    logFailure(call.log, error)
    throw error
  }
}

/** Writes the error line of something that was refused. */
export function logFailure(log: Logger, error: unknown): void {
  if (!(error instanceof SpiffeError)) return
  const { what, fields } = toldApart(error)
  if (error.kind === 'invalid-argument') log.error(`Invalid argument: ${what}`, fields)
  else log.error(what.charAt(0).toUpperCase() + what.slice(1), fields)
}

/** What failed, which is the message of the line, and why, which is a field: operators search for messages that never vary. */
function toldApart(refused: SpiffeError): { readonly what: string; readonly fields: LogFields } {
  const { message, cause } = refused
  if (isPluginAnswer(refused)) return { what: message, fields: {} }
  const error = cause === undefined ? '' : messageOf(cause)
  const end = `: ${error}`
  if (error === '' || !message.endsWith(end)) return { what: message, fields: {} }
  return { what: message.slice(0, -end.length), fields: { error: errorText(cause) } }
}
