import type { Grant } from './policy.ts'
import { grantsOf } from './policy.ts'

/** A call, as a policy sees it before anybody has decided who its caller is. */
export interface PolicyQuestion {
  /** `/package.Service/Method` */
  readonly method: string
  /** SPIFFE ID of the client certificate, which the handshake has verified; empty: none. */
  readonly caller: string
  /** Whether the call came over the local socket. */
  readonly isLocal: boolean
  /** Executable of a local caller, looked up only when asked for; empty when it may not be read. */
  readonly callerPath: () => string
  /** The request as it was decoded; undefined for a stream of requests. */
  readonly request: unknown
}

/** Decides who may make a call. Who the caller is, is found out elsewhere. */
export interface PolicyEngine {
  /**
   * Who may make this call; undefined: nobody.
   *
   * @throws what keeps the policy from deciding: the call is refused
   */
  grantsOf(question: PolicyQuestion): ReadonlySet<Grant> | undefined
}

/** The policy that a server has unless configured otherwise: the table of {@link grantsOf}. */
export const builtInPolicy: PolicyEngine = { grantsOf: ({ method }) => grantsOf(method) }
