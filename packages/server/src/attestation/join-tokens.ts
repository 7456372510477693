import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '@mini-spire/runtime/clock'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { Cause, Mutation } from '../store/store.ts'
import { AttestationError } from './attestation-error.ts'
import type { AttestationState } from './attestation-state.ts'
import { commitOne } from './update-node.ts'

/** The name under which agents attest with a join token. */
export const joinTokenType = 'join_token'

/** How a token is kept: a stolen database does not let anybody attest. */
export function hashJoinToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** The ID of the agent that attests with this token. */
export function joinTokenAgentId(trustDomain: TrustDomain, token: string): SpiffeId {
  return SpiffeId.fromSegments(trustDomain, 'spire', 'agent', joinTokenType, token)
}

/** What an operator asks for. */
export interface CreateJoinTokenRequest {
  readonly ttlSeconds: number
  /** Empty: one is made. */
  readonly token: string
  /** An ID that entries can name as parent instead of the token's own; it has been checked. */
  readonly agentId: SpiffeId | undefined
}

/** A token as its creator sees it, once. */
export interface CreatedJoinToken {
  readonly token: string
  readonly expiresAtSeconds: number
}

/** What {@link createJoinToken} needs beside the request. */
export interface CreateJoinTokenOptions {
  readonly state: AttestationState
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly cause: Cause
}

/**
 * Makes a join token and, when an agent ID is asked for, the alias entry that gives it to whoever uses the token: both or
 * neither.
 *
 * @throws {AttestationError} `ERR_JOIN_TOKEN_TTL`, `ERR_JOIN_TOKEN_NOT_STORED`
 */
export async function createJoinToken(
  request: CreateJoinTokenRequest,
  { state, trustDomain, clock, cause }: CreateJoinTokenOptions,
): Promise<CreatedJoinToken> {
  if (request.ttlSeconds < 1) {
    throw new AttestationError('ERR_JOIN_TOKEN_TTL', 'ttl is required, you must provide one')
  }
  const token = request.token || randomUUID()
  const tokenHash = hashJoinToken(token)
  const nowSeconds = clock.nowMs() / 1000
  const expiresAtSeconds = Math.floor(nowSeconds) + request.ttlSeconds
  const mutations: Mutation[] = [
    {
      op: 'put',
      kind: 'join-token',
      key: tokenHash,
      value: { tokenHash, expiresAtSeconds },
      expect: 'absent',
    },
  ]
  if (request.agentId) {
    const alias = aliasEntry(request.agentId, trustDomain, token, Math.round(nowSeconds))
    mutations.push({ op: 'put', kind: 'entry', key: alias.id, value: alias, expect: 'absent' })
  }
  const error = await commitOne(state, cause, mutations)
  if (error !== undefined) throw notStored(error)
  return { token, expiresAtSeconds }
}

function notStored(cause: unknown): AttestationError {
  const reason = isSpiffeError(cause, 'ERR_RECORD_EXISTS')
    ? 'datastore-sql: UNIQUE constraint failed: join_tokens.token'
    : messageOf(cause)
  return new AttestationError('ERR_JOIN_TOKEN_NOT_STORED', `failed to create token: ${reason}`, {
    cause,
  })
}

function aliasEntry(
  agentId: SpiffeId,
  trustDomain: TrustDomain,
  token: string,
  createdAtSeconds: number,
): RegistrationEntry {
  let parentId: SpiffeId
  try {
    parentId = joinTokenAgentId(trustDomain, token)
  } catch (cause) {
    throw new AttestationError(
      'ERR_JOIN_TOKEN_NOT_STORED',
      `failed to create join token registration entry: failed to create join token ID: ${messageOf(cause)}`,
      { cause },
    )
  }
  return {
    id: randomUUID(),
    spiffeId: agentId,
    parentId,
    selectors: [{ type: 'spiffe_id', value: String(parentId) }],
    x509SvidTtlSeconds: 0,
    jwtSvidTtlSeconds: 0,
    federatesWith: [],
    admin: false,
    downstream: false,
    expiresAtSeconds: 0,
    dnsNames: [],
    revisionNumber: 0,
    storeSvid: false,
    hint: '',
    createdAtSeconds,
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
  }
}

/** Whether an entry is the alias that {@link createJoinToken} makes: it goes when the agent goes. */
export function isAliasEntryOf(entry: RegistrationEntry, agentId: string): boolean {
  const [selector, ...more] = entry.selectors
  return (
    more.length === 0 &&
    selector?.type === 'spiffe_id' &&
    selector.value === agentId &&
    String(entry.parentId) === agentId
  )
}
