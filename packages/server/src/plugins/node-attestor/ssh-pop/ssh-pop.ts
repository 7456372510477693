import { createHash, randomBytes } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { SshCertificate } from '@mini-spire/runtime/ssh/ssh-certificate'
import { SshPublicKey } from '@mini-spire/runtime/ssh/ssh-public-key'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TemplateStruct } from '../agent-path-template/template-value.ts'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { failed, failing, malformed, wrapping } from '../attestor-errors.ts'
import { refuseTwin, twinOfSshCertificate } from '../certificate-twin.ts'
import { GoJsonObject } from '../go-json.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'

const name = 'sshpop'
const nonceBytes = 32

/** Options of {@link SshPopAttestor}: its `plugin_data`. */
export interface SshPopOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** Public keys of the authorities in wire format, as base64 text. */
  readonly authorities: ReadonlySet<string>
  /** Taken off the host's name, which must end with it; empty: nothing is. */
  readonly canonicalDomain: string
  readonly agentPathTemplate: AgentPathTemplate
}

/**
 * Attests a node by its OpenSSH host certificate, and a signature that only the certificate's key can make.
 *
 * Refusals are INTERNAL, because that is what SPIRE's agents are told.
 */
export class SshPopAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: SshPopOptions

  constructor(options: SshPopOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    if (payload.length === 0) throw malformed('missing attestation payload')
    const certificate = readCertificate(payload)
    const hostname = this.#checkHost(certificate)
    const nonce = randomBytes(nonceBytes)
    const challenge = JSON.stringify({ Nonce: nonce.toString('base64') })
    checkAnswer(certificate, nonce, await context.challenge(Buffer.from(challenge)))
    const agentId = await this.#agentId(certificate, hostname, certificate.raw)
    const twin = twinOfSshCertificate(certificate)
    if (twin) refuseTwin(agentId, await this.#agentId(certificate, hostname, twin), context)
    return { agentId, selectorValues: [], canReattest: true }
  }

  /** @param raw what its fingerprint is of */
  async #agentId(certificate: SshCertificate, hostname: string, raw: Uint8Array): Promise<string> {
    const { trustDomain, agentPathTemplate } = this.#options
    const data = templateDataOf(certificate, hostname, raw)
    return await failing('failed to create AgentID', async () =>
      String(await agentPathTemplate.agentId(trustDomain, data)),
    )
  }

  #checkHost(certificate: SshCertificate): string {
    const { clock, authorities, canonicalDomain } = this.#options
    const [principal] = certificate.principals
    if (principal === undefined) throw failed('cert has no valid principals')
    wrapping(failed, 'failed to check host key', () => {
      if (principal.includes(':') && !isIPv6(principal)) {
        throw new Error(`address ${principal}:22: too many colons in address`)
      }
      certificate.checkHost(principal, {
        now: clock.now(),
        isAuthority: (key) => authorities.has(Buffer.from(key).toString('base64')),
      })
    })
    if (canonicalDomain === '') return principal
    const suffix = `.${canonicalDomain}`
    if (principal.endsWith(suffix)) return principal.slice(0, -suffix.length)
    const why = `cert principal is not in domain ${quoteGo(suffix)}`
    throw failed(`failed to decanonicalize hostname: ${why}`)
  }
}

function readCertificate(payload: Uint8Array): SshCertificate {
  const raw = wrapping(failed, 'failed to unmarshal data', () =>
    GoJsonObject.parse(payload).bytes('certificate'),
  )
  if (raw.length === 0) throw failed('no certificate in response')
  if (isPlainKey(raw)) throw failed('pubkey in response is not a certificate')
  return wrapping(failed, 'failed to parse public key', () => SshCertificate.parse(raw))
}

function isPlainKey(raw: Uint8Array): boolean {
  try {
    return Boolean(SshPublicKey.parse(raw))
  } catch {
    return false
  }
}

function checkAnswer(certificate: SshCertificate, nonce: Uint8Array, answer: Uint8Array): void {
  const { theirNonce, format, blob } = wrapping(
    failed,
    'failed to unmarshal challenge response',
    () => {
      const object = GoJsonObject.parse(answer)
      const signature = object.object('signature')
      return {
        theirNonce: object.bytes('nonce'),
        format: signature?.string('format') ?? '',
        blob: signature?.bytes('blob') ?? new Uint8Array(),
      }
    },
  )
  if (theirNonce.length !== nonceBytes) {
    throw failed('failed to combine nonces: invalid response nonce size')
  }
  const signed = createHash('sha256').update(nonce).update(theirNonce).digest()
  if (!certificate.publicKey.verifies(signed, { format, blob })) {
    throw failed('failed to verify signature: ssh: signature did not verify')
  }
}

/** A number, as in Go, as long as it is one that can be told exactly here. */
function numberOf(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)
}

function templateDataOf(
  certificate: SshCertificate,
  hostname: string,
  raw: Uint8Array,
): TemplateStruct {
  const content = new TemplateStruct('ssh.Certificate', {
    Serial: numberOf(certificate.serial),
    CertType: certificate.type,
    KeyId: certificate.keyId,
    ValidPrincipals: certificate.principals,
    ValidAfter: numberOf(certificate.validAfter),
    ValidBefore: numberOf(certificate.validBefore),
  })
  return TemplateStruct.embedding('sshpop.agentPathTemplateData', ['Certificate', content], {
    PluginName: name,
    Fingerprint: createHash('sha256').update(raw).digest('base64url'),
    Hostname: hostname,
  })
}
