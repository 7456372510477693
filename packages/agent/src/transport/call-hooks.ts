import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { CallHooks, CallOutcome } from '@mini-spire/runtime/grpc/call-hooks'
import { ExtendedCall } from '@mini-spire/runtime/grpc/extended-call'
import { callNames } from '@mini-spire/runtime/log/call-names'
import { LateLogger } from '@mini-spire/runtime/log/late-logger'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { type MetricKey, type Metrics, measureCall } from '@mini-spire/runtime/telemetry/metrics'
import { MetricKeys, rpcMetricKey } from '@mini-spire/runtime/telemetry/rpc-key'
import { messages } from '../api/workload/messages.ts'

const workloadApi = '/SpiffeWorkloadAPI/'

/** By the beginning of a method: what its service is called in the connection metrics. */
const connectionKeys: readonly (readonly [prefix: string, key: string])[] = [
  [workloadApi, 'workload_api'],
  ['/envoy.service.secret.v3.SecretDiscoveryService/', 'sds_api'],
  ['/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/', 'delegated_identity_api'],
  ['/spire.agent.debug.v1.Debug/', 'debug_api'],
  ['/spire.api.agent.logger.v1.Logger/', 'logger_api'],
]

/** A call whose lines say which it is and who made it. */
class LoggedCall extends ExtendedCall {
  #log: Logger | undefined

  override get log(): Logger {
    this.#log ??= new LateLogger(this.bare.log, () => callFields(this))
    return this.#log
  }
}

/**
 * What happens around every call of a local socket: the security header of the Workload API, and counting. The agent's own calls
 * are not counted.
 */
export class AgentCallHooks implements CallHooks<CallContext> {
  readonly #metrics: Metrics
  readonly #ownPid: number
  readonly #keys = new MetricKeys(rpcMetricKey)
  readonly #open = new Map<string, number>()

  constructor(options: { readonly metrics: Metrics; readonly ownPid: number }) {
    this.#metrics = options.metrics
    this.#ownPid = options.ownPid
  }

  before(call: CallContext): CallContext {
    if (!this.#isOwn(call)) this.#countConnection(call.method, 1)
    if (call.method.startsWith(workloadApi)) checkSecurityHeader(call, 'workload.spiffe.io')
    return new LoggedCall(call)
  }

  after(call: CallContext, { code, durationMs }: CallOutcome): void {
    if (this.#isOwn(call)) return
    measureCall(this.#metrics, { key: this.#keys.get(call.method), durationMs, code })
    this.#countConnection(call.method, -1)
  }

  #countConnection(method: string, change: 1 | -1): void {
    const service = connectionKeys.find(([prefix]) => method.startsWith(prefix))?.[1]
    if (service === undefined) return
    const open = (this.#open.get(service) ?? 0) + change
    this.#open.set(service, open)
    const key = (name: string): MetricKey => [service, name]
    if (change > 0) this.#metrics.count(key('connection'))
    this.#metrics.gauge(key('connections'), open)
  }

  #isOwn({ peer }: CallContext): boolean {
    return peer.kind === 'unix' && peer.pid === this.#ownPid
  }
}

/** `method`, `service` and the caller, as SPIRE's agent names them in every line of a call. */
function callFields({ method, peer }: CallContext): LogFields {
  return { ...callNames(method), ...(peer.kind === 'unix' && { pid: peer.pid }) }
}

/**
 * A page in a browser, or a server that was talked into a request, cannot send this header
 * [SPIFFE Workload Endpoint 4, SPIFFE Broker Endpoint 3].
 *
 * @throws {ApiError} invalid-argument
 */
export function checkSecurityHeader(call: Pick<CallContext, 'metadata'>, name: string): void {
  const values = call.metadata(name)
  if (values.length !== 1 || values[0] !== 'true')
    throw new ApiError('invalid-argument', messages.headerMissing)
}
