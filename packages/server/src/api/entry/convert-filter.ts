import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type {
  CountEntriesRequest_Filter,
  ListEntriesRequest_Filter,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { isSpiffeError, type SpiffeError } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { EntryFilter, TrustDomainMatch } from '../../registry/entry-filter.ts'
import type { SelectorMatch } from '../../registry/set-match.ts'
import { selectorsFromProto, setMatchFromProto } from '../convert-selectors.ts'
import { memberIdFromProto, workloadIdFromProto } from '../convert-spiffe-id.ts'

/** The filter of a list or a count: one message with two names. */
export type FilterMessage = ListEntriesRequest_Filter | CountEntriesRequest_Filter

/** What {@link filterFromProto} needs beside the message. */
export interface FilterContext {
  readonly trustDomain: TrustDomain
  /** What the filter is for, as texts say it when a comparison has a number that nobody knows. */
  readonly failed: string
  /** Makes the error of a part that cannot be read. */
  refuse(kind: 'invalid-argument' | 'internal', label: string, cause: SpiffeError): ApiError
}

/**
 * Reads a filter: the conditions that are there, all of which must hold.
 *
 * @throws {ApiError} naming the part and the rule it breaks
 */
export function filterFromProto(
  context: FilterContext,
  filter: FilterMessage | undefined,
): EntryFilter {
  if (!filter) return {}
  const { trustDomain } = context
  const { byParentId, bySpiffeId, bySelectors, byFederatesWith } = filter
  const part = <Value>(label: string, read: () => Value): Value => readPart(context, label, read)
  const parentId =
    byParentId &&
    part('malformed parent ID filter', () => memberIdFromProto(trustDomain, byParentId))
  const spiffeId =
    bySpiffeId &&
    part('malformed SPIFFE ID filter', () => workloadIdFromProto(trustDomain, bySpiffeId))
  const selectors =
    bySelectors &&
    part('malformed selectors filter', () =>
      nonEmpty(selectorsFromProto(bySelectors.selectors), 'selector'),
    )
  const trustDomains =
    byFederatesWith &&
    part('malformed federates with filter', () =>
      nonEmpty(
        byFederatesWith.trustDomains.map((name) => TrustDomain.parse(name)),
        'trust domain',
      ),
    )
  return {
    parentId,
    spiffeId,
    selectors: selectors && selectorMatch(context, selectors, bySelectors.match),
    federatesWith: trustDomains && trustDomainMatch(context, trustDomains, byFederatesWith.match),
    hint: filter.byHint,
    downstream: filter.byDownstream,
  }
}

function selectorMatch(
  context: FilterContext,
  selectors: SelectorMatch['selectors'],
  number: number,
): SelectorMatch {
  const match = setMatchFromProto(number) ?? unknownMatch(context, 'selectors', number)
  return { match, selectors }
}

function trustDomainMatch(
  context: FilterContext,
  trustDomains: TrustDomainMatch['trustDomains'],
  number: number,
): TrustDomainMatch {
  const match = setMatchFromProto(number) ?? unknownMatch(context, 'federates with', number)
  return { match, trustDomains }
}

function unknownMatch(context: FilterContext, what: string, number: number): never {
  const why = `datastore-sql: unhandled ${what} match behavior "${number}"`
  throw context.refuse('internal', context.failed, new ApiError('internal', why))
}

function readPart<Value>(context: FilterContext, label: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    if (!isSpiffeError(cause)) throw cause
    throw context.refuse('invalid-argument', label, cause)
  }
}

function nonEmpty<Value>(values: readonly Value[], what: string): readonly Value[] {
  if (values.length > 0) return values
  throw new ApiError('invalid-argument', `empty ${what} set`)
}
