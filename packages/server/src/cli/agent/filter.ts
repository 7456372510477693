import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { parseSelector } from '@mini-spire/runtime/cli/values'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { ListAgentsRequest_Filter } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { SelectorMatch_MatchBehavior as Match } from '@mini-spire/runtime/proto/spire/api/types/selector'
import { messageOf } from '@mini-spire/sdk/errors'
import { dateProblem } from './date.ts'

/** Flags that choose agents. */
export const agentFilterFlags = {
  selector: {
    type: 'strings',
    usage: 'A colon-delimited type:value selector. Can be used more than once',
  },
  attestationType: {
    type: 'string',
    usage: 'Filter by attestation type, like join_token or x509pop.',
  },
  canReattest: {
    type: 'choice',
    usage:
      "Filter based on string received, 'true': agents that can reattest, 'false': agents that can't reattest, other value will return all.",
  },
  banned: {
    type: 'choice',
    usage:
      "Filter based on string received, 'true': banned agents, 'false': not banned agents, other value will return all.",
  },
  expiresBefore: {
    type: 'string',
    usage: 'Filter by expiration time (format: "2006-01-02 15:04:05 -0700 -07")',
  },
  matchSelectorsOn: {
    type: 'string',
    usage:
      'The match mode used when filtering by selectors. Options: exact, any, superset and subset',
    value: 'superset',
  },
} as const

/** The values of those flags. */
export interface AgentFilterValues {
  readonly selector: readonly string[]
  readonly attestationType: string
  readonly canReattest: boolean | undefined
  readonly banned: boolean | undefined
  readonly expiresBefore: string
  readonly matchSelectorsOn: string
}

/** The filter of a request. @throws {CommandError} for a selector, match mode or date that is none */
export function agentFilter(flags: AgentFilterValues): ListAgentsRequest_Filter {
  const bySelectorMatch =
    flags.selector.length === 0
      ? undefined
      : { match: matchOf(flags.matchSelectorsOn), selectors: flags.selector.map(selectorOf) }
  const problem = flags.expiresBefore === '' ? undefined : dateProblem(flags.expiresBefore)
  if (problem !== undefined) throw new CommandError(`date is not valid: ${problem}`)
  return {
    byAttestationType: flags.attestationType,
    bySelectorMatch,
    byBanned: flags.banned,
    byCanReattest: flags.canReattest,
    byExpiresBefore: flags.expiresBefore,
  }
}

function matchOf(text: string): Match {
  const modes = new Map<string, Match>([
    ['exact', Match.MATCH_EXACT],
    ['any', Match.MATCH_ANY],
    ['superset', Match.MATCH_SUPERSET],
    ['subset', Match.MATCH_SUBSET],
  ])
  const match = modes.get(text)
  if (match === undefined) throw new CommandError('unsupported match behavior')
  return match
}

function selectorOf(text: string): { type: string; value: string } {
  try {
    return parseSelector(text)
  } catch (error) {
    throw new CommandError(`error parsing selector ${quoteGo(text)}: ${messageOf(error)}`)
  }
}
