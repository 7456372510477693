import type { Logger } from '@mini-spire/runtime/log/logger'
import { SpiffeError } from '@mini-spire/sdk/errors'
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

function logFailure(log: Logger, error: unknown): void {
  if (!(error instanceof SpiffeError)) return
  const { message } = error
  const text = message.charAt(0).toUpperCase() + message.slice(1)
  log.error(error.kind === 'invalid-argument' ? `Invalid argument: ${message}` : text)
}
