import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type {
  CountAgentsRequest_Filter,
  ListAgentsRequest_Filter,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import type { Agent, AgentMask } from '@mini-spire/runtime/proto/spire/api/types/agent'
import { type AttestedNode, isBanned } from '../../model/attested-node.ts'
import type { NodeFilter } from '../../registry/nodes.ts'
import { selectorsFromProto, selectorsToProto, setMatchFromProto } from '../convert-selectors.ts'
import { spiffeIdToProto } from '../convert-spiffe-id.ts'
import { labelled } from '../failure.ts'
import { messages } from './messages.ts'

const everything: AgentMask = {
  attestationType: true,
  x509svidSerialNumber: true,
  x509svidExpiresAt: true,
  selectors: true,
  banned: true,
  canReattest: true,
  agentVersion: true,
}

/** An attested node as the wire has it, with the fields that the mask names; no mask: all. */
export function agentToProto(node: AttestedNode, mask: AgentMask = everything): Agent {
  return {
    id: spiffeIdToProto(node.spiffeId),
    attestationType: mask.attestationType ? node.attestationType : '',
    x509svidSerialNumber: mask.x509svidSerialNumber ? node.serialNumber : '',
    x509svidExpiresAt: mask.x509svidExpiresAt ? BigInt(node.expiresAtSeconds) : 0n,
    selectors: mask.selectors ? selectorsToProto(node.selectors) : [],
    banned: mask.banned && isBanned(node),
    canReattest: mask.canReattest && node.canReattest,
    agentVersion: mask.agentVersion ? node.agentVersion : '',
  }
}

/**
 * The filter of a list or count.
 *
 * @param failure put before what only shows when the list is made, such as `failed to list agents`
 * @throws {ApiError} for selectors that are none, or a match that is none
 */
export function nodeFilterFromProto(
  filter: CountAgentsRequest_Filter | ListAgentsRequest_Filter | undefined,
  failure: string,
): NodeFilter {
  if (!filter) return {}
  return {
    attestationType: filter.byAttestationType,
    banned: filter.byBanned,
    canReattest: filter.byCanReattest,
    expiresBeforeSeconds: expiresBeforeFromProto(filter.byExpiresBefore),
    selectors: selectorMatchFromProto(filter, failure),
  }
}

function selectorMatchFromProto(
  { bySelectorMatch }: CountAgentsRequest_Filter,
  failure: string,
): NodeFilter['selectors'] {
  if (!bySelectorMatch) return undefined
  const selectors = labelled(messages.selectorsRefused, () =>
    selectorsFromProto(bySelectorMatch.selectors),
  )
  if (selectors.length === 0)
    throw new ApiError('internal', `${failure}: ${messages.emptySelectors}`)
  const match = setMatchFromProto(bySelectorMatch.match)
  if (match === undefined) {
    const text = `datastore-sql: unhandled match behavior ${JSON.stringify(bySelectorMatch.match)}`
    throw new ApiError('internal', `${failure}: ${text}`)
  }
  return { match, selectors }
}

const expiresBeforePattern =
  /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:[.,]\d+)? ([+-])(\d\d)(\d\d) [+-]\d\d$/

/**
 * Reads `2026-05-01 10:00:00 +0000 +00`, the form that `agent list -expiresBefore` sends.
 *
 * @throws {ApiError} `invalid-argument` for another form: a filter that is left out because it was misspelt would select
 *   every agent
 */
export function expiresBeforeFromProto(text: string): number | undefined {
  if (text === '') return undefined
  const match = expiresBeforePattern.exec(text)
  const [, year, month, day, hour, minute, second, sign, zoneHours, zoneMinutes] = match ?? []
  const utc = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (!match || Number.isNaN(utc)) {
    const form = '2006-01-02 15:04:05 -0700 -07'
    const text = `failed to parse expiry filter: it must have the form "${form}"`
    throw new ApiError('invalid-argument', text)
  }
  const zoneSeconds = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60
  return utc / 1000 - (sign === '-' ? -zoneSeconds : zoneSeconds)
}
