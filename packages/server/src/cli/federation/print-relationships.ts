import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import type { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import type { Status } from '@mini-spire/runtime/proto/spire/api/types/status'
import { formatStatus, hasSucceeded } from '../entry/print-results.ts'

/** What became of one relationship of a batch. */
export interface RelationshipResult {
  readonly status: Status | undefined
  readonly federationRelationship: FederationRelationship | undefined
}

/** A relationship as people read it. */
export function formatRelationship(relationship: FederationRelationship): string {
  const { trustDomain, bundleEndpointUrl, bundleEndpointProfile: profile } = relationship
  const lines = [
    `Trust domain              : ${trustDomain}`,
    `Bundle endpoint URL       : ${bundleEndpointUrl}`,
  ]
  if (profile?.$case === 'httpsWeb') lines.push('Bundle endpoint profile   : https_web')
  if (profile?.$case === 'httpsSpiffe') {
    lines.push('Bundle endpoint profile   : https_spiffe')
    lines.push(`Endpoint SPIFFE ID        : ${profile.httpsSpiffe.endpointSpiffeId}`)
  }
  return `${lines.join('\n')}\n`
}

/**
 * Prints what went well to standard output, then what failed to standard error. The empty line before each goes to standard
 * output.
 *
 * @param verb `create` or `update`
 * @param requested what was asked for: a reply does not have what failed
 * @throws {CommandError} when anything failed
 */
export function printRelationshipResults(
  results: readonly RelationshipResult[],
  requested: readonly FederationRelationship[],
  verb: string,
  terminal: Terminal,
): void {
  for (const { federationRelationship: relationship } of results.filter(hasSucceeded)) {
    terminal.out('\n')
    if (relationship) terminal.out(formatRelationship(relationship))
  }
  let failures = 0
  for (const [index, result] of results.entries()) {
    if (hasSucceeded(result)) continue
    failures++
    const status = formatStatus(result.status)
    terminal.out('\n')
    terminal.err(`Failed to ${verb} the following federation relationship ${status}:\n`)
    const asked = requested[index]
    if (asked) terminal.err(formatRelationship(asked))
  }
  if (failures > 0) {
    throw new CommandError(`failed to ${verb} one or more federation relationships`)
  }
}
