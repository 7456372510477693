import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { numberIn, stringIn, stringsIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TemplateStruct } from '../agent-path-template/template-value.ts'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { failed, failing, malformed, refused, wrapping } from '../attestor-errors.ts'
import { GoJsonObject } from '../go-json.ts'
import { checkClaims, JsonWebToken, tokenAlgorithms } from '../json-web-token.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { refuseSecondUse } from '../trust-on-first-use.ts'
import type { AzureKeys } from './azure-keys.ts'
import { type MachineSource, resolveMachine } from './machine-selectors.ts'

const name = 'azure_msi'
const leewayMs = 300_000
const maxShownKeyIdLength = 64

/** A tenant whose machines may attest. */
export interface AzureTenant {
  /** What tokens must be for. */
  readonly resourceId: string
  readonly resources: MachineSource
}

/** Options of {@link AzureMsiAttestor}: its `plugin_data`. */
export interface AzureMsiOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly keys: Pick<AzureKeys, 'fetch'>
  /** By tenant ID. */
  readonly tenants: ReadonlyMap<string, AzureTenant>
  readonly agentPathTemplate: AgentPathTemplate
}

/**
 * Attests a virtual machine of Azure by an access token of its managed identity.
 *
 * Not checked, as in SPIRE: the issuer. A managed identity attests once. Wrong claims are INTERNAL, because that is what
 * SPIRE's agents are told.
 */
export class AzureMsiAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: AzureMsiOptions

  constructor(options: AzureMsiOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const claims = await this.#verify(payload)
    const [tenantId, principalId] = [stringIn(claims, 'tid'), stringIn(claims, 'sub')]
    if (tenantId === '') throw failed('token missing tenant ID claim')
    if (principalId === '') throw failed('token missing subject claim')
    const { trustDomain, agentPathTemplate, tenants, clock } = this.#options
    const id = await failing('unable to make agent ID', () =>
      agentPathTemplate.agentId(trustDomain, templateDataOf(claims)),
    )
    const agentId = String(id)
    refuseSecondUse(agentId, context)
    const tenant = tenants.get(tenantId)
    if (!tenant) throw refused(`tenant ${quoteGo(tenantId)} is not authorized`)
    wrapping(failed, 'unable to validate token claims', () =>
      checkClaims(claims, { audience: tenant.resourceId, leewayMs, now: clock.now() }),
    )
    const selectorValues = await resolveMachine(tenant.resources, principalId, context.signal)
    return { agentId, selectorValues, canReattest: false, isTrustedOnFirstUse: true }
  }

  /** The token is read before keys are asked for: rubbish costs nothing but its reading. */
  async #verify(payload: Uint8Array): Promise<object> {
    if (payload.length === 0) throw malformed('missing attestation payload')
    const text = wrapping(malformed, 'failed to unmarshal data payload', () =>
      GoJsonObject.parse(payload).string('token'),
    )
    if (text === '') throw malformed('missing token from attestation data')
    const token = wrapping(malformed, 'unable to parse token', () =>
      JsonWebToken.parse(Buffer.from(text), tokenAlgorithms),
    )
    if (token.keyId === '') throw malformed('token missing key id')
    const keys = await this.#fetchKeys()
    const key = keys.get(token.keyId)
    const shownId = quoteGo(token.keyId.slice(0, maxShownKeyIdLength))
    if (!key) throw malformed(`key id ${shownId} not found`)
    return wrapping(malformed, 'unable to verify token', () => {
      if (token.isSignedBy(key)) return token.claims()
      throw new Error('go-jose/go-jose: error in cryptographic primitive')
    })
  }

  async #fetchKeys(): ReturnType<AzureKeys['fetch']> {
    try {
      return await this.#options.keys.fetch()
    } catch (cause) {
      throw failed(`unable to obtain JWKS: ${messageOf(cause)}`, cause)
    }
  }
}

/** `Subject` is empty, as it is in SPIRE: the claim is called `PrincipalID`. */
function templateDataOf(claims: object): TemplateStruct {
  const audience = stringIn(claims, 'aud')
  const registered = new TemplateStruct('jwt.Claims', {
    Issuer: stringIn(claims, 'iss'),
    Subject: '',
    Audience: audience === '' ? stringsIn(claims, 'aud') : [audience],
    Expiry: numberIn(claims, 'exp'),
    NotBefore: numberIn(claims, 'nbf'),
    IssuedAt: numberIn(claims, 'iat'),
    ID: stringIn(claims, 'jti'),
  })
  const all = TemplateStruct.embedding('azure.MSITokenClaims', ['Claims', registered], {
    TenantID: stringIn(claims, 'tid'),
    PrincipalID: stringIn(claims, 'sub'),
  })
  return TemplateStruct.embedding('azure.agentPathTemplateData', ['MSITokenClaims', all], {
    PluginName: name,
  })
}
