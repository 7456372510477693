import { BlockList, isIP } from 'node:net'
import type { Clock } from '@mini-spire/runtime/clock'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate } from '@mini-spire/sdk/x509'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { failing } from '../attestor-errors.ts'
import { refuseTwin, twinOfCertificate } from '../certificate-twin.ts'
import { GoJsonObject } from '../go-json.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { NodeAttestorError } from '../node-attestor-error.ts'
import {
  fingerprintOf,
  serialNumberHex,
  subjectOf,
  templateDataOf,
  uriSanSelectors,
} from './agent-data.ts'
import { checkAnswer, encodeChallenge, generateChallenge } from './proof-of-possession.ts'
import { rsaModulusBitsOf } from './rsa-size.ts'
import { verifiedIssuers } from './verified-chains.ts'

/** Options of {@link X509PopAttestor}. */
export interface X509PopOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly agentPathTemplate: AgentPathTemplate
  readonly maxIntermediates: number
  readonly maxRsaKeyBits: number
  /** Whether an IP SAN of the leaf must be the address that the agent comes from. */
  readonly verifiesClientIp: boolean
  /** Who is trusted: fixed roots, or the server's own bundle as it is at each attestation. */
  readonly trust:
    | { readonly mode: 'external_pki'; readonly roots: readonly Certificate[] }
    | {
        readonly mode: 'spiffe'
        readonly roots: () => readonly Certificate[]
        /** With a slash at its end. */
        readonly pathPrefix: string
      }
}

/**
 * Attests a node by a certificate that it already has and whose private key it holds.
 *
 * What a stranger sends is bounded (number of certificates, size of RSA keys) before anything is verified; then the path to
 * a root; then the key is challenged. Name and selectors come from the certificates that were verified.
 */
export class X509PopAttestor implements NodeAttestor {
  readonly name = 'x509pop'
  readonly #options: X509PopOptions

  constructor(options: X509PopOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const chain = this.#readChain(payload)
    const [leaf] = chain
    if (!leaf) throw malformed('no certificate to attest')
    const issuers = this.#verify(chain)
    if (this.#options.verifiesClientIp) checkClientIp(leaf, context.clientIp)
    await this.#challenge(leaf, context)
    const sanSelectors = uriSanSelectors(leaf, this.#options.trustDomain)
    const agentId = await this.#agentId(leaf, fingerprintOf(leaf), sanSelectors)
    const twin = twinOfCertificate(leaf, issuers[0])
    if (twin) {
      const fingerprint = fingerprintOf({ raw: twin })
      refuseTwin(agentId, await this.#agentId(leaf, fingerprint, sanSelectors), context)
    }
    return {
      agentId,
      selectorValues: selectorValuesOf(leaf, issuers, sanSelectors),
      canReattest: true,
    }
  }

  #readChain(payload: Uint8Array): readonly Certificate[] {
    const { maxIntermediates } = this.#options
    const encoded = orMalformed('failed to unmarshal data', () =>
      GoJsonObject.parse(payload).bytesList('certificates'),
    )
    if (encoded.length === 0) throw malformed('no certificate to attest')
    if (encoded.length - 1 > maxIntermediates) throw malformed('too many intermediate certificates')
    return encoded.map((der, index) => {
      const which = index === 0 ? 'leaf certificate' : 'intermediate certificate'
      const number = index === 0 ? '' : ` ${index - 1}`
      return orMalformed(`unable to parse ${which}${number}`, () =>
        this.#readCertificate(der, `${which}${number}`),
      )
    })
  }

  #readCertificate(der: Uint8Array, which: string): Certificate {
    const certificate = parseCertificate(der)
    if (rsaModulusBitsOf(certificate) > this.#options.maxRsaKeyBits) {
      throw malformed(`${which} key size too large`)
    }
    return certificate
  }

  #verify(chain: readonly Certificate[]): readonly Certificate[] {
    const { trust, clock } = this.#options
    const roots = trust.mode === 'spiffe' ? trust.roots() : trust.roots
    try {
      return verifiedIssuers({ chain, roots, now: clock.now() })
    } catch (cause) {
      throw refused(`certificate verification failed: ${messageOf(cause)}`, cause)
    }
  }

  async #challenge(leaf: Certificate, context: NodeAttestationContext): Promise<void> {
    const challenge = orFailed('unable to generate challenge', () => {
      if (!leaf.keyUsage?.digitalSignature) {
        throw new Error('certificate not intended for digital signature use')
      }
      return generateChallenge(leaf.publicKey)
    })
    const answer = await context.challenge(encodeChallenge(challenge))
    const parsed = orMalformed('unable to unmarshal challenge response', () =>
      GoJsonObject.parse(answer),
    )
    try {
      checkAnswer(leaf.publicKey, challenge, parsed)
    } catch (cause) {
      throw refused(`challenge response verification failed: ${messageOf(cause)}`, cause)
    }
  }

  async #agentId(
    leaf: Certificate,
    fingerprint: string,
    sanSelectors: ReadonlyMap<string, string>,
  ): Promise<string> {
    const { trustDomain, agentPathTemplate, trust } = this.#options
    const svidPathTrimmed = trust.mode === 'spiffe' ? trimmedSvidPath(leaf, trust.pathPrefix) : ''
    const data = templateDataOf({ leaf, fingerprint, trustDomain, svidPathTrimmed, sanSelectors })
    return await failing('failed to make spiffe id', async () =>
      String(await agentPathTemplate.agentId(trustDomain, data)),
    )
  }
}

function trimmedSvidPath(leaf: Certificate, prefix: string): string {
  const uri = leaf.uriSans.find((one) => /^spiffe:/i.test(one))
  if (uri === undefined) throw refused('valid SVID x509 cert not found')
  const path = /^spiffe:\/\/[^/?#]*([^?#]*)/i.exec(uri)?.[1] ?? ''
  if (!path.startsWith(prefix)) throw refused('x509 cert doesnt match SVID prefix')
  return path.slice(prefix.length)
}

function selectorValuesOf(
  leaf: Certificate,
  issuers: readonly Certificate[],
  sanSelectors: ReadonlyMap<string, string>,
): readonly string[] {
  const { commonName = '' } = subjectOf(leaf)
  return [
    ...(commonName === '' ? [] : [`subject:cn:${commonName}`]),
    ...new Set(issuers.map((issuer) => `ca:fingerprint:${fingerprintOf(issuer)}`)),
    `serialnumber:${serialNumberHex(leaf)}`,
    ...[...sanSelectors].map(([key, value]) => `san:${key}:${value}`),
  ]
}

function checkClientIp(leaf: Certificate, clientIp: string): void {
  if (clientIp === '') throw failed('client IP not available for verification')
  const family = isIP(clientIp)
  if (family === 0) throw failed(`invalid client IP ${JSON.stringify(clientIp)}`)
  const certified = new BlockList()
  for (const address of leaf.ipAddresses) {
    certified.addAddress(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  if (certified.check(clientIp, family === 6 ? 'ipv6' : 'ipv4')) return
  throw refused(`client IP ${clientIp} does not match any certificate IP SAN`)
}

function malformed(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_EVIDENCE_MALFORMED', message, { cause })
}

function refused(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_EVIDENCE_REFUSED', message, { cause })
}

function failed(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_ATTESTOR_FAILED', message, { cause })
}

function orMalformed<T>(what: string, read: () => T): T {
  return wrapped(read, (cause) => malformed(`${what}: ${messageOf(cause)}`, cause))
}

function orFailed<T>(what: string, make: () => T): T {
  return wrapped(make, (cause) => failed(`${what}: ${messageOf(cause)}`, cause))
}

function wrapped<T>(body: () => T, wrap: (cause: unknown) => NodeAttestorError): T {
  try {
    return body()
  } catch (cause) {
    if (cause instanceof NodeAttestorError) throw cause
    throw wrap(cause)
  }
}
