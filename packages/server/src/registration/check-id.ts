import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { EntryError } from './entry-error.ts'

const reservedPath = '/spire'
const agentPathPrefix = '/spire/agent/'

/** Whether a path belongs to servers and agents. `/spirex` does not. */
export function isReservedPath(path: string): boolean {
  return path === reservedPath || path.startsWith(`${reservedPath}/`)
}

/**
 * Checks that an ID is one of the trust domain's members: the server, an agent or a workload.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function checkMemberId(trustDomain: TrustDomain, id: SpiffeId): void {
  if (id.isMemberOf(trustDomain) && id.path !== '') return
  throw refused(trustDomain, id, 'a member of')
}

/**
 * Checks that an ID can be that of an agent.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function checkAgentId(trustDomain: TrustDomain, id: SpiffeId): void {
  if (!id.isMemberOf(trustDomain)) throw refused(trustDomain, id, 'a member of')
  if (id.path === '') throw refused(trustDomain, id, 'an agent in')
  if (id.path.startsWith(agentPathPrefix)) return
  throw refused(trustDomain, id, 'an agent in', 'path is not in the agent namespace')
}

/**
 * Checks that an ID can be that of a workload: nothing an entry names may be the server's or an agent's.
 *
 * @throws {EntryError} `ERR_ENTRY_MALFORMED`
 */
export function checkWorkloadId(trustDomain: TrustDomain, id: SpiffeId): void {
  if (!id.isMemberOf(trustDomain)) throw refused(trustDomain, id, 'a member of')
  if (id.path === '') throw refused(trustDomain, id, 'a workload in')
  if (!isReservedPath(id.path)) return
  throw refused(trustDomain, id, 'a workload in', 'path is in the reserved namespace')
}

function refused(
  trustDomain: TrustDomain,
  id: SpiffeId,
  role: string,
  why: string = id.path === '' && id.isMemberOf(trustDomain) ? 'path is empty' : '',
): EntryError {
  const text = `"${id}" is not ${role} trust domain "${trustDomain}"`
  return new EntryError('ERR_ENTRY_MALFORMED', why === '' ? text : `${text}; ${why}`)
}
