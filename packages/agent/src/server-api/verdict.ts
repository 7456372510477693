import {
  PermissionDeniedDetails,
  PermissionDeniedDetails_Reason as Reason,
} from '@mini-spire/runtime/proto/spire/api/types/status'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'

/** What a refusal means for the agent itself. */
export type Verdict = 'must-reattest' | 'banned'

const detailsType = 'spire.api.types.PermissionDeniedDetails'
/** A wrapped error is searched this deep. */
const maxDepth = 16
const mustReattest: readonly number[] = [
  Reason.AGENT_EXPIRED,
  Reason.AGENT_NOT_ACTIVE,
  Reason.AGENT_NOT_ATTESTED,
  Reason.AGENT_MUST_REATTEST,
]

/** What the server has decided about this agent, if the error (or one that caused it) says so. */
export function verdictOf(error: unknown): Verdict | undefined {
  for (const cause of causesOf(error)) {
    const reason = reasonOf(cause)
    if (reason === undefined) continue
    if (mustReattest.includes(reason)) return 'must-reattest'
    if (reason === Reason.AGENT_BANNED) return 'banned'
  }
  return undefined
}

/** Whether the server refused for lack of permission, for whatever reason. */
export function isPermissionDenied(error: unknown): boolean {
  return [...causesOf(error)].some(
    (cause) => isSpiffeError(cause) && cause.kind === 'permission-denied',
  )
}

/** Whether the peer's certificate led to none of our roots: theirs or ours have been replaced. */
export function isUnknownAuthority(error: unknown): boolean {
  return [...causesOf(error)].some((cause) =>
    messageOf(cause).includes('x509: certificate signed by unknown authority'),
  )
}

function* causesOf(error: unknown): Iterable<unknown> {
  let cause = error
  for (let depth = 0; depth < maxDepth && cause !== undefined && cause !== null; depth++) {
    yield cause
    cause = cause instanceof Error ? cause.cause : undefined
  }
}

interface WithDetails {
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[]
}

function reasonOf(error: unknown): number | undefined {
  if (!isSpiffeError(error) || error.kind !== 'permission-denied') return undefined
  if (!('details' in error) || !Array.isArray(error.details)) return undefined
  for (const { typeUrl, value } of (error as unknown as WithDetails).details) {
    if (typeUrl.split('/').at(-1) !== detailsType) continue
    try {
      return PermissionDeniedDetails.decode(value).reason
    } catch {
      return undefined
    }
  }
  return undefined
}
