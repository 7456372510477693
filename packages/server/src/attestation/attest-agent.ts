import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { KeyedTurns } from '@mini-spire/runtime/turns'
import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import type { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type AttestedNode, isBanned } from '../model/attested-node.ts'
import { compareSelectors, type Selector, selectorKey } from '../model/selector.ts'
import type {
  NodeAttestation,
  NodeAttestationContext,
  NodeAttestor,
} from '../plugins/node-attestor/node-attestor.ts'
import { alreadyUsed } from '../plugins/node-attestor/trust-on-first-use.ts'
import type { Cause, Mutation } from '../store/store.ts'
import { parseAgentId, strayingOf } from './agent-id.ts'
import type { AgentSvid, AgentSvidSigner } from './agent-svid-signer.ts'
import { AttestationError, NodeRefusedError } from './attestation-error.ts'
import { type AttestationState, putNode } from './attestation-state.ts'
import { hashJoinToken, joinTokenAgentId, joinTokenType } from './join-tokens.ts'
import { commitOne, isWriteConflict, maxWriteAttempts } from './update-node.ts'

/** What an agent sends to get its first SVID, or a new one when it may attest again. */
export interface AttestAgentRequest {
  /** Name of the attestor. */
  readonly attestationType: string
  readonly payload: Uint8Array
  /** PKCS#10, DER. */
  readonly csr: Uint8Array
}

/** What one attestation knows of its call. */
export interface AttestAgentContext extends Omit<NodeAttestationContext, 'isAttested'> {
  readonly cause: Cause
  readonly log: Logger
  /** Told as soon as the agent's ID is known, whatever comes after. */
  readonly onAgentId?: (id: SpiffeId) => void
}

/** A node that has proven itself. */
export interface AttestedAgent {
  readonly svid: AgentSvid
  readonly canReattest: boolean
}

/** Options of {@link AgentAttestation}. */
export interface AgentAttestationOptions {
  readonly trustDomain: TrustDomain
  readonly state: AttestationState
  readonly signer: AgentSvidSigner
  readonly attestors: ReadonlyMap<string, NodeAttestor>
  readonly clock: Clock
  /** Whether each agent gets its own ID as a selector. */
  readonly agentIdAsSelector: boolean
}

interface Evidence {
  readonly agentId: string
  readonly selectors: readonly Selector[]
  readonly canReattest: boolean
  /** Hash of the token that is used up by this attestation. */
  readonly tokenHash?: string
  /** Whether an agent that is attested already is refused. */
  readonly isTrustedOnFirstUse?: boolean
}

/**
 * Attests nodes: evidence → agent ID → not banned → SVID → one transaction.
 *
 * A join token wins once: it goes in the very transaction that writes the node, so neither a second attempt at the same
 * time, nor another server, nor a crash in between makes a second identity of it.
 */
export class AgentAttestation {
  readonly #options: AgentAttestationOptions
  /** Tokens that an attempt is using right now: others are refused before anything is signed for them. */
  readonly #tokensInUse = new Set<string>()
  /** By agent ID: attempts of one node that write at the same time would make each other try again. */
  readonly #writes = new KeyedTurns()

  constructor(options: AgentAttestationOptions) {
    this.#options = options
  }

  /**
   * @throws {AttestationError} when there is no such attestor, the token is used or the agent banned
   * @throws {NodeRefusedError} what the attestor said
   * @throws {IssuanceError} for a CSR that cannot be read, or a CA that cannot sign
   */
  async attest(request: AttestAgentRequest, context: AttestAgentContext): Promise<AttestedAgent> {
    if (request.attestationType !== joinTokenType) {
      return await this.#admit(request, await this.#askAttestor(request, context), context)
    }
    const tokenHash = hashJoinToken(Buffer.from(request.payload).toString('utf8'))
    if (this.#tokensInUse.has(tokenHash)) throw tokenRefused()
    this.#tokensInUse.add(tokenHash)
    try {
      return await this.#admit(
        request,
        await this.#checkToken(request, tokenHash, context),
        context,
      )
    } finally {
      this.#tokensInUse.delete(tokenHash)
    }
  }

  async #checkToken(
    request: AttestAgentRequest,
    tokenHash: string,
    context: AttestAgentContext,
  ): Promise<Evidence> {
    const { state, clock, trustDomain } = this.#options
    const joinToken = state.records.joinTokens.find(tokenHash)
    if (!joinToken) throw tokenRefused()
    if (joinToken.expiresAtSeconds * 1000 < clock.nowMs()) {
      await this.#discard(tokenHash, context.cause)
      throw new AttestationError('ERR_JOIN_TOKEN_REFUSED', 'join token expired')
    }
    try {
      const agentId = joinTokenAgentId(trustDomain, Buffer.from(request.payload).toString('utf8'))
      return { agentId: String(agentId), selectors: [], canReattest: false, tokenHash }
    } catch (cause) {
      await this.#discard(tokenHash, context.cause)
      throw new AttestationError(
        'ERR_AGENT_ID_REFUSED',
        `failed to create join token ID: ${messageOf(cause)}`,
        { cause },
      )
    }
  }

  /** A token that nobody can attest with, now or later. */
  async #discard(tokenHash: string, cause: Cause): Promise<void> {
    await commitOne(this.#options.state, cause, [
      { op: 'delete', kind: 'join-token', key: tokenHash, expect: 'any' },
    ])
  }

  async #askAttestor(request: AttestAgentRequest, context: AttestAgentContext): Promise<Evidence> {
    const type = request.attestationType
    const attestor = this.#options.attestors.get(type)
    if (!attestor) {
      const code = 'ERR_NODE_ATTESTOR_UNKNOWN'
      const text = `could not find node attestor type ${JSON.stringify(type)}`
      const cause = new AttestationError(code, text)
      throw new AttestationError(code, `error getting node attestor: ${text}`, { cause })
    }
    const found = await refusalsOf(attestor.name, () =>
      attestor.attest(request.payload, this.#attestorContext(context)),
    )
    if (found.agentId === '') {
      const text = `nodeattestor(${attestor.name}): plugin response missing agent ID`
      throw new NodeRefusedError('internal', text)
    }
    const selectors = found.selectorValues.map((value) => ({ type: attestor.name, value }))
    const { agentId, canReattest, isTrustedOnFirstUse = false } = found
    return { agentId, selectors, canReattest, isTrustedOnFirstUse }
  }

  #attestorContext(context: AttestAgentContext): NodeAttestationContext {
    const { nodes } = this.#options.state.records
    return {
      challenge: (challenge) => context.challenge(challenge),
      clientIp: context.clientIp,
      untrustedHost: context.untrustedHost,
      signal: context.signal,
      isAttested: (agentId) => nodes.find(agentId) !== undefined,
    }
  }

  async #admit(
    request: AttestAgentRequest,
    evidence: Evidence,
    context: AttestAgentContext,
  ): Promise<AttestedAgent> {
    const { trustDomain, state, signer } = this.#options
    const id = parseAgentId(evidence.agentId)
    context.onAgentId?.(id)
    const straying = strayingOf(id, trustDomain, request.attestationType)
    if (straying !== undefined) {
      // Misspelled as operators' alerts know it.
      const text =
        'The node attestor produced an invalid agent ID; future releases will enforce that agent IDs are within the reserved agent namesepace for the node attestor'
      context.log.warn(text, { agent_id: String(id), error: straying })
    }
    const known = state.records.nodes.find(String(id))
    if (known && evidence.isTrustedOnFirstUse) throw usedBefore(request.attestationType)
    refuseBanned(known)
    const svid = await signer.issueAgentSvid({ spiffeId: id, csr: request.csr, requester: '' })
    await this.#writes.run(String(id), () =>
      this.#store(request.attestationType, id, evidence, svid, context.cause),
    )
    return { svid, canReattest: evidence.canReattest }
  }

  async #store(
    attestationType: string,
    id: SpiffeId,
    evidence: Evidence,
    svid: AgentSvid,
    cause: Cause,
  ): Promise<void> {
    const { state } = this.#options
    for (let attempt = 1; ; attempt++) {
      const existing = state.records.nodes.find(String(id))
      if (existing && evidence.isTrustedOnFirstUse) throw usedBefore(attestationType)
      refuseBanned(existing)
      const node: AttestedNode = {
        spiffeId: id,
        attestationType: existing?.attestationType ?? attestationType,
        serialNumber: svid.serialNumber,
        expiresAtSeconds: svid.expiresAtSeconds,
        newSerialNumber: '',
        newExpiresAtSeconds: 0,
        canReattest: evidence.canReattest,
        agentVersion: existing?.agentVersion ?? '',
        selectors: this.#selectors(id, evidence),
      }
      const error = await commitOne(state, cause, [...usesUp(evidence), putNode(node, existing)])
      if (error === undefined) return
      if (!isWriteConflict(error) || attempt === maxWriteAttempts) {
        throw notStored(existing !== undefined, error)
      }
      if (evidence.tokenHash && !state.records.joinTokens.find(evidence.tokenHash)) {
        throw tokenRefused()
      }
    }
  }

  #selectors(id: SpiffeId, evidence: Evidence): readonly Selector[] {
    const all = this.#options.agentIdAsSelector
      ? [...evidence.selectors, { type: 'spiffe_id', value: String(id) }]
      : evidence.selectors
    const distinct = new Map(all.map((selector) => [selectorKey(selector), selector]))
    return [...distinct.values()].sort(compareSelectors)
  }
}

function usesUp({ tokenHash }: Evidence): readonly Mutation[] {
  if (tokenHash === undefined) return []
  return [{ op: 'delete', kind: 'join-token', key: tokenHash, expect: 'present' }]
}

function refuseBanned(node: AttestedNode | undefined): void {
  if (node && isBanned(node)) {
    throw new AttestationError('ERR_AGENT_BANNED', 'failed to attest: agent is banned')
  }
}

function usedBefore(attestor: string): NodeRefusedError {
  return new NodeRefusedError('permission-denied', `nodeattestor(${attestor}): ${alreadyUsed}`)
}

function tokenRefused(): AttestationError {
  return new AttestationError(
    'ERR_JOIN_TOKEN_REFUSED',
    'failed to attest: join token does not exist or has already been used',
  )
}

function notStored(wasThere: boolean, cause: unknown): AttestationError {
  return new AttestationError(
    'ERR_AGENT_NOT_STORED',
    `failed to ${wasThere ? 'update' : 'create'} attested agent: ${messageOf(cause)}`,
    { cause },
  )
}

/** Runs an attestor and puts its name before what it refuses with. */
async function refusalsOf(
  name: string,
  attest: () => Promise<NodeAttestation>,
): Promise<NodeAttestation> {
  try {
    return await attest()
  } catch (error) {
    if (!(error instanceof SpiffeError) || error instanceof AttestationError) throw error
    const prefix = `nodeattestor(${name}): `
    const own = [prefix, `${name}: `].find((one) => error.message.startsWith(one)) ?? ''
    const message = `${prefix}${error.message.slice(own.length)}`
    throw new NodeRefusedError(error.kind, message, { cause: error })
  }
}
