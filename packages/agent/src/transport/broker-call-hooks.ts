import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { CallHooks, CallOutcome } from '@mini-spire/runtime/grpc/call-hooks'
import { isReflection } from '@mini-spire/runtime/grpc/reflection'
import { messages } from '../api/broker/messages.ts'
import { type AgentCallHooks, checkSecurityHeader } from './call-hooks.ts'

/**
 * What happens around every call of the broker endpoint, beside what does around all calls: every one has the security header,
 * and what is served is described to neighbours only.
 */
export class BrokerCallHooks implements CallHooks<CallContext> {
  readonly #inner: Pick<AgentCallHooks, 'before' | 'after'>

  constructor(inner: Pick<AgentCallHooks, 'before' | 'after'>) {
    this.#inner = inner
  }

  before(call: CallContext): CallContext {
    const admitted = this.#inner.before(call)
    const isNeighbour = call.peer.kind === 'unix' || call.peer.process !== undefined
    if (isReflection(call.method) && !isNeighbour)
      throw new ApiError('permission-denied', messages.reflectionOverTcp)
    checkSecurityHeader(call, 'broker.spiffe.io')
    return admitted
  }

  after(call: CallContext, outcome: CallOutcome): void {
    this.#inner.after(call, outcome)
  }
}
