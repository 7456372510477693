import { randomBytes } from 'node:crypto'
import { type HttpClient, HttpError } from '@mini-spire/runtime/http/http-client'
import { IpNetworks } from '@mini-spire/runtime/http/ip-networks'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, type TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { failed, malformed, refused, wrapping } from '../attestor-errors.ts'
import { GoJsonObject } from '../go-json.ts'
import type { GoRegExp } from '../go-regexp.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { refuseSecondUse } from '../trust-on-first-use.ts'

const name = 'http_challenge'
const nonceBytes = 32
const timeoutMs = 10_000
/** What is read of an answer. */
const maxAnswerBytes = 64
const maxAgentNameLength = 32
const maxHostnameLength = 253
const firstUnprivilegedPort = 1024
const highestPort = 65_535

/** Where no node is: nowhere, everywhere, the own link, and where clouds tell their machines what others must not know. */
const neverNodes = new IpNetworks([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '::/128',
  'fe80::/10',
  'ff00::/8',
  // Of Azure, Alibaba and Oracle, then of AWS and Google.
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
])

/** Options of {@link HttpChallengeAttestor}: its `plugin_data`. */
export interface HttpChallengeOptions {
  readonly trustDomain: TrustDomain
  readonly http: Pick<HttpClient, 'request'>
  /** One of them must match somewhere in the host name; none: any name will do. */
  readonly allowedDnsPatterns: readonly Pick<GoRegExp, 'test'>[]
  readonly requiredPort: number | undefined
  readonly allowsNonRootPorts: boolean
  readonly isTrustedOnFirstUse: boolean
}

interface Claim {
  readonly hostname: string
  readonly agentName: string
  readonly port: number
}

/**
 * Attests a node by its host name: the server asks an HTTP server there for a nonce that it has just given to the agent.
 *
 * The agent chooses host and port: the server follows no redirect, reads 64 bytes, says nothing of what it read, and never
 * connects to addresses that clouds give to their metadata services.
 */
export class HttpChallengeAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: HttpChallengeOptions

  constructor(options: HttpChallengeOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    if (payload.length === 0) throw malformed('missing attestation payload')
    const claim = wrapping(malformed, 'failed to unmarshal data', () => readClaim(payload))
    this.#checkClaim(claim)
    const nonce = base64Url(randomBytes(nonceBytes))
    await context.challenge(Buffer.from(JSON.stringify({ nonce })))
    await this.#verify(claim, nonce, context.signal)
    const { trustDomain, isTrustedOnFirstUse } = this.#options
    const agentId = wrapping(failed, 'failed to make spiffe id', () =>
      String(SpiffeId.fromPath(trustDomain, `/spire/agent/http_challenge/${claim.hostname}`)),
    )
    if (isTrustedOnFirstUse) refuseSecondUse(agentId, context)
    return {
      agentId,
      selectorValues: [`hostname:${claim.hostname}`],
      canReattest: !isTrustedOnFirstUse,
      isTrustedOnFirstUse,
    }
  }

  #checkClaim({ hostname, agentName, port }: Claim): void {
    const { requiredPort, allowsNonRootPorts, allowedDnsPatterns } = this.#options
    if (requiredPort !== undefined && port !== requiredPort) {
      throw malformed(`port ${port} is not allowed to be used by this server`)
    }
    if (!allowsNonRootPorts && port >= firstUnprivilegedPort) {
      throw malformed(`port ${port} is not allowed to be >= ${firstUnprivilegedPort}`)
    }
    if (!/^[a-zA-Z][a-zA-Z0-9-]*$/.test(agentName) || agentName.length > maxAgentNameLength) {
      throw malformed('agent name is not valid')
    }
    if (hostname === 'localhost') throw refused('you can not use localhost as a hostname')
    // Before the patterns: the operator wrote them, but the agent chose what they are matched against.
    if (hostname.length > maxHostnameLength) {
      throw refused('the requested hostname is not allowed to connect')
    }
    if (allowedDnsPatterns.length === 0) return
    if (allowedDnsPatterns.some((pattern) => pattern.test(hostname))) return
    throw refused('the requested hostname is not allowed to connect')
  }

  async #verify(claim: Claim, nonce: string, signal: AbortSignal): Promise<void> {
    const problem = claimProblem(claim) ?? (await this.#fetchProblem(claim, nonce, signal))
    if (problem !== undefined) throw refused(`challenge verification failed: ${problem}`)
  }

  async #fetchProblem(
    { hostname, port, agentName }: Claim,
    nonce: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const path = `/.well-known/spiffe/nodeattestor/http_challenge/${agentName}/challenge`
    const wrongAnswer = 'expected nonce was not found in HTTP response'
    try {
      const { body } = await this.#options.http.request({
        url: `http://${hostname}:${port}${path}`,
        timeoutMs,
        maxBytes: maxAnswerBytes,
        checkAddress: refuseMetadataAddress,
        signal,
      })
      return Buffer.from(body).toString('utf8').trim() === nonce ? undefined : wrongAnswer
    } catch (error) {
      if (error instanceof HttpError && error.code === 'ERR_HTTP_TOO_LARGE') return wrongAnswer
      return messageOf(error)
    }
  }
}

function readClaim(payload: Uint8Array): Claim {
  const data = GoJsonObject.parse(payload)
  return {
    hostname: data.string('hostname'),
    agentName: data.string('agentname'),
    port: data.int('port'),
  }
}

function claimProblem({ hostname, port }: Claim): string | undefined {
  if (hostname === '') return 'hostname must be set'
  if (port <= 0 || port > highestPort) return 'port is invalid'
  if (hostname.includes('/')) return 'hostname can not contain a slash'
  if (hostname.includes(':')) return 'hostname can not contain a colon'
  // What a URL would read as something else than a host, or rewrite before it asks.
  if (!/^[A-Za-z0-9._-]+$/.test(hostname))
    return 'hostname can only contain letters, digits, dots, dashes and underscores'
  return undefined
}

function refuseMetadataAddress(address: string): void {
  if (neverNodes.mayBeReachedBy(address)) throw new Error(`${address} is not the address of a node`)
}

/** With padding, as Go's URL encoding writes it. */
function base64Url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}
