import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { CallHooks, CallOutcome } from '@mini-spire/runtime/grpc/call-hooks'
import { statusText } from '@mini-spire/runtime/grpc/status-text'
import { callNames } from '@mini-spire/runtime/log/call-names'
import type { LogFields } from '@mini-spire/runtime/log/logger'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { GatheredAudit } from '../audit/audit-event.ts'
import { AgentDeniedError } from '../authorization/agent-denied-error.ts'
import type { Authorized, ServerCall } from '../authorization/caller.ts'
import { executableOf } from '../authorization/executable-of.ts'
import { AdmittedCall } from './admitted-call.ts'

/** Options of {@link ServerCallHooks}. */
export interface ServerCallHooksOptions {
  /** Finds out who calls and lets them in, or throws. */
  readonly authorize: (call: CallContext, request: unknown) => Promise<Authorized>
  /** Counts a finished call. */
  readonly count: (method: string, outcome: CallOutcome) => void
  readonly isAuditEnabled: boolean
}

/** Services that tell how the server is, to probes every few seconds: they have audit lines only when they fail. */
const unaudited: readonly string[] = [
  '/grpc.health.v1.Health/',
  '/spire.api.server.debug.v1.Debug/',
]

/**
 * What happens around every call of the server, in SPIRE's order: log fields, metrics, authorization; then the handler, which
 * waits for its rate limit; then the audit line. A call that authorization refused has no audit line.
 */
export class ServerCallHooks implements CallHooks<ServerCall> {
  readonly #options: ServerCallHooksOptions

  constructor(options: ServerCallHooksOptions) {
    this.#options = options
  }

  async before(call: CallContext, request: unknown): Promise<ServerCall> {
    const authorized = await this.#authorize(call, request)
    // Who holds the socket is looked up now: the process may be gone when the line is written.
    const audit = this.#options.isAuditEnabled
      ? { row: new GatheredAudit(), fields: localCallerFields(call) }
      : undefined
    const logFields = (): LogFields => ({
      ...callFields(call),
      authorized_as: authorized.as,
      authorized_via: authorized.via,
    })
    return new AdmittedCall({ call, authorized, audit, logFields })
  }

  after(call: CallContext, outcome: CallOutcome): void {
    this.#options.count(call.method, outcome)
    if (!(call instanceof AdmittedCall)) return
    const isLookedAt = outcome.code === 0 && unaudited.some((path) => call.method.startsWith(path))
    if (!isLookedAt) call.writeAudit(outcome)
  }

  async #authorize(call: CallContext, request: unknown): Promise<Authorized> {
    try {
      return await this.#options.authorize(call, request)
    } catch (error) {
      const fields = callFields(call)
      if (error instanceof AgentDeniedError) {
        const { message, fields: more } = error.logLine
        call.log.error(message, { ...fields, authorized_as: 'nobody', authorized_via: '', ...more })
      }
      const isRefused = isSpiffeError(error) && error.kind === 'permission-denied'
      call.log.error(
        isRefused ? 'Failed to authenticate caller' : 'Authorization failure from OPA auth',
        {
          ...fields,
          error: isRefused ? statusText(error) : messageOf(error),
        },
      )
      throw error
    }
  }
}

/** `method`, `service` and, over TCP, who calls from where. */
function callFields({ method, peer }: CallContext): LogFields {
  const fields = callNames(method)
  if (peer.kind === 'unix') return fields
  const caller_addr = peer.address.includes(':')
    ? `[${peer.address}]:${peer.port}`
    : `${peer.address}:${peer.port}`
  return { ...fields, caller_addr, ...(peer.spiffeId && { caller_id: peer.spiffeId }) }
}

function localCallerFields({ peer }: CallContext): LogFields {
  if (peer.kind !== 'unix') return {}
  const caller_path = executableOf(peer.pid)
  return { caller_uid: peer.uid, caller_gid: peer.gid, ...(caller_path && { caller_path }) }
}
