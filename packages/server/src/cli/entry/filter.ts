import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { parseSelector, parseWireId } from '@mini-spire/runtime/cli/values'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { ListEntriesRequest_Filter } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import {
  SelectorMatch_MatchBehavior as Match,
  type SelectorMatch_MatchBehavior,
} from '@mini-spire/runtime/proto/spire/api/types/selector'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'
import { messageOf } from '@mini-spire/sdk/errors'

/** The values of the flags that choose entries. */
export interface EntryFilterValues {
  readonly parentID: string
  readonly spiffeID: string
  readonly downstream: boolean
  readonly selector: readonly string[]
  readonly federatesWith: readonly string[]
  readonly matchFederatesWithOn: string
  readonly matchSelectorsOn: string
  readonly hint: string
}

/**
 * The filter of a request. `byDownstream` is always set: the server takes false for no filter.
 *
 * @throws {CommandError}
 */
export function entryFilter(flags: EntryFilterValues): ListEntriesRequest_Filter {
  const byParentId = idOf(flags.parentID, 'parent ID')
  const bySpiffeId = idOf(flags.spiffeID, 'SPIFFE ID')
  const bySelectors =
    flags.selector.length === 0
      ? undefined
      : { match: matchOf(flags.matchSelectorsOn), selectors: flags.selector.map(selectorOf) }
  const byFederatesWith =
    flags.federatesWith.length === 0
      ? undefined
      : { match: matchOf(flags.matchFederatesWithOn), trustDomains: [...flags.federatesWith] }
  return {
    byParentId,
    bySpiffeId,
    bySelectors,
    byFederatesWith,
    byHint: flags.hint === '' ? undefined : flags.hint,
    byDownstream: flags.downstream,
  }
}

function idOf(text: string, what: string): SPIFFEID | undefined {
  if (text === '') return undefined
  try {
    return parseWireId(text)
  } catch (error) {
    throw new CommandError(`error parsing ${what} ${quoteGo(text)}: ${messageOf(error)}`)
  }
}

function selectorOf(text: string): { type: string; value: string } {
  try {
    return parseSelector(text)
  } catch (error) {
    throw new CommandError(`error parsing selectors: ${messageOf(error)}`)
  }
}

function matchOf(text: string): SelectorMatch_MatchBehavior {
  const modes = new Map<string, SelectorMatch_MatchBehavior>([
    ['exact', Match.MATCH_EXACT],
    ['any', Match.MATCH_ANY],
    ['superset', Match.MATCH_SUPERSET],
    ['subset', Match.MATCH_SUBSET],
  ])
  const match = modes.get(text)
  if (match === undefined) throw new CommandError(`match behavior ${quoteGo(text)} unknown`)
  return match
}

interface Flag<Type extends string> {
  readonly type: Type
  readonly usage: string
}

/** The flags that choose entries. */
export type EntryFilterFlags = {
  readonly downstream: Flag<'bool'>
  readonly federatesWith: Flag<'strings'>
  readonly hint: Flag<'string'>
  readonly matchFederatesWithOn: Flag<'string'> & { readonly value: string }
  readonly matchSelectorsOn: Flag<'string'> & { readonly value: string }
  readonly parentID: Flag<'string'>
  readonly selector: Flag<'strings'>
  readonly spiffeID: Flag<'string'>
}

/** The flags that choose entries, as `entry show` and `entry count` describe them. */
export function entryFilterFlags(verb: 'count' | 'show'): EntryFilterFlags {
  return {
    downstream: {
      type: 'bool',
      usage:
        'A boolean value that, when set, indicates that the entry describes a downstream SPIRE server',
    },
    federatesWith: {
      type: 'strings',
      usage: 'SPIFFE ID of a trust domain an entry is federate with. Can be used more than once',
    },
    hint: { type: 'string', usage: `The Hint of the records to ${verb} (optional)` },
    matchFederatesWithOn: {
      type: 'string',
      usage:
        'The match mode used when filtering by federates with. Options: exact, any, superset and subset',
      value: 'superset',
    },
    matchSelectorsOn: {
      type: 'string',
      usage:
        'The match mode used when filtering by selectors. Options: exact, any, superset and subset',
      value: 'superset',
    },
    parentID: { type: 'string', usage: `The Parent ID of the records to ${verb}` },
    selector: {
      type: 'strings',
      usage: 'A colon-delimited type:value selector. Can be used more than once',
    },
    spiffeID: { type: 'string', usage: `The SPIFFE ID of the records to ${verb}` },
  }
}
