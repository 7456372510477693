import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext, UnixPeer } from '@mini-spire/runtime/grpc/call-context'
import { messageOf } from '@mini-spire/sdk/errors'
import { selectorKey } from '../model/selector.ts'
import type { SelectorSet } from '../model/selector-set.ts'
import type { WorkloadAttestation } from '../workload-attestation/attest-workload.ts'
import { messages } from './workload/messages.ts'
import type { WorkloadRateLimit } from './workload/rate-limit.ts'

/** Options of {@link Callers}. */
export interface CallersOptions {
  readonly attestation: Pick<WorkloadAttestation, 'attest' | 'attestNamed' | 'assertSame'>
  readonly rateLimit: WorkloadRateLimit
  /** Selectors that may be logged, as `type:value` or a beginning of it that ends before a colon. */
  readonly logSelectors: readonly string[]
  readonly ownPid: number
}

/** Who calls on a socket of the agent: attested when they ask, and still the same when they are answered. */
export class Callers {
  readonly #options: CallersOptions

  constructor(options: CallersOptions) {
    this.#options = options
  }

  /**
   * Attests the caller and takes from its rate; the agent's own calls have none.
   *
   * @param failureLog what the log says of a caller that could not be attested
   * @throws {ApiError} unavailable
   */
  async admit(call: CallContext, failureLog?: string): Promise<SelectorSet> {
    const set = await this.attest(call, failureLog)
    if (!this.isOwn(call)) this.#options.rateLimit.take(call.method, set)
    return set
  }

  /** @throws {ApiError} unavailable */
  async attest(call: CallContext, failureLog?: string): Promise<SelectorSet> {
    const peer = unixPeerOf(call)
    try {
      return await this.#options.attestation.attest(peer, call.signal)
    } catch (error) {
      throw notAttested(call, error, failureLog)
    }
  }

  /**
   * Attests a process that the caller names by its number, and answers for.
   *
   * @throws {ApiError} unavailable
   */
  async attestFor(call: CallContext, pid: number): Promise<SelectorSet> {
    const { uid, gid } = unixPeerOf(call)
    try {
      // What is limited by user is limited for the one who asks.
      return await this.#options.attestation.attestNamed({ pid, uid, gid }, call.signal)
    } catch (error) {
      throw notAttested(call, error)
    }
  }

  /**
   * What was learnt of the caller when it asked is still true as it is answered, however much later that is.
   *
   * @throws {ApiError} unavailable
   */
  assertSame(call: CallContext): void {
    const peer = unixPeerOf(call)
    try {
      this.#options.attestation.assertSame(peer)
    } catch (error) {
      throw notAttested(call, error)
    }
  }

  isOwn({ peer }: CallContext): boolean {
    return peer.kind === 'unix' && peer.pid === this.#options.ownPid
  }

  /** What a caller without an identity is told; the log has it too. */
  noIdentity(call: CallContext, set: SelectorSet): ApiError {
    if (!this.isOwn(call) && call.peer.kind === 'unix') {
      const selectors = this.#loggable(set)
      call.log.error('No identity issued', {
        registered: false,
        ...(selectors.length > 0 && { selectors }),
      })
    }
    return new ApiError('permission-denied', messages.noIdentity)
  }

  #loggable(set: SelectorSet): readonly string[] {
    const { logSelectors } = this.#options
    if (logSelectors.length === 0) return []
    return set.selectors
      .map(selectorKey)
      .filter((key) =>
        logSelectors.some((prefix) => key === prefix || key.startsWith(`${prefix}:`)),
      )
  }
}

function unixPeerOf({ peer }: CallContext): UnixPeer {
  if (peer.kind !== 'unix') throw new ApiError('unavailable', messages.attestationFailed)
  return peer
}

function notAttested(
  { log }: CallContext,
  error: unknown,
  text = 'Workload attestation failed',
): ApiError {
  log.error(text, { error: messageOf(error) })
  return new ApiError('unavailable', messages.attestationFailed, { cause: error })
}
