import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import type { LogFields, Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { JwtSvidFetcher } from '../identity/fetch-jwt-svid.ts'
import type { AgentEntry } from '../model/agent-entry.ts'
import type { WorkloadJwtSvid } from '../model/svid.ts'
import { messages } from './workload/messages.ts'

/** A token, and whose. */
export interface GivenJwtSvid {
  readonly entry: AgentEntry
  readonly svid: WorkloadJwtSvid
}

/**
 * The tokens of these entries for an audience: all of them, or none.
 *
 * @throws {ApiError} unavailable
 */
export async function fetchJwtSvids(
  jwtSvids: Pick<JwtSvidFetcher, 'fetch'>,
  entries: readonly AgentEntry[],
  audience: readonly string[],
  { log, fields = {} }: { readonly log: Logger; readonly fields?: LogFields },
): Promise<readonly GivenJwtSvid[]> {
  try {
    return await Promise.all(
      entries.map(async (entry) => ({ entry, svid: await jwtSvids.fetch(entry, audience) })),
    )
  } catch (error) {
    log.error('Could not fetch JWT-SVID', { ...fields, error: messageOf(error) })
    throw new ApiError('unavailable', messages.jwtSvidUnavailable(messageOf(error)), {
      cause: error,
    })
  }
}

/** @throws {ApiError} invalid-argument, when a text that was to be a SPIFFE ID is none */
export function checkSpiffeId({ log }: Pick<CallContext, 'log'>, text: string): void {
  try {
    SpiffeId.parse(text)
  } catch (error) {
    log.error('Invalid requested SPIFFE ID', { spiffe_id: text, error: messageOf(error) })
    throw new ApiError('invalid-argument', messages.badSpiffeId(messageOf(error)))
  }
}

/** What who left out a parameter is told. */
export function missing(
  { log }: Pick<CallContext, 'log'>,
  parameter: 'audience' | 'svid',
): ApiError {
  log.error(`Missing required ${parameter} parameter`)
  const text = parameter === 'audience' ? messages.audienceMissing : messages.svidMissing
  return new ApiError('invalid-argument', text)
}
