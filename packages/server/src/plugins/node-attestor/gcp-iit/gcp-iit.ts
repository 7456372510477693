import type { Clock } from '@mini-spire/runtime/clock'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { numberIn, objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TemplateStruct } from '../agent-path-template/template-value.ts'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { failed, failing, malformed, refused, wrapping } from '../attestor-errors.ts'
import { checkClaims, JsonWebToken } from '../json-web-token.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { refuseSecondUse } from '../trust-on-first-use.ts'
import type { ComputeInstance, InstanceName } from './compute-instance.ts'
import type { GoogleKeys } from './google-keys.ts'

const name = 'gcp_iit'
const audience = 'spire-gcp-node-attestor'
const leewayMs = 60_000

/** Options of {@link GcpIitAttestor}: its `plugin_data`. */
export interface GcpIitOptions {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly keys: Pick<GoogleKeys, 'fetch'>
  readonly projectIds: ReadonlySet<string>
  readonly agentPathTemplate: AgentPathTemplate
  readonly labelKeys: readonly string[]
  readonly metadataKeys: ReadonlySet<string>
  /** A longer value of an allowed metadata key is an error. */
  readonly maxMetadataValueBytes: number
  /** Looks the instance up for more selectors; without it, there are none but those of the token. */
  readonly fetchInstance?: (name: InstanceName, signal: AbortSignal) => Promise<ComputeInstance>
}

/** What a token says of the instance that it was issued to. */
interface Identity extends InstanceName {
  readonly email: string
  readonly projectNumber: number
  readonly instanceId: string
  readonly createdAtSeconds: number
}

/**
 * Attests an instance of Google Compute Engine by the identity token that its metadata server issues.
 *
 * Not checked, as in SPIRE: the issuer, and how old the token is. An instance attests once.
 */
export class GcpIitAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: GcpIitOptions

  constructor(options: GcpIitOptions) {
    this.#options = options
  }

  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const identity = await this.#verify(payload)
    const { trustDomain, projectIds, agentPathTemplate } = this.#options
    if (!projectIds.has(identity.projectId)) {
      throw refused(
        `identity token project ID ${quoteGo(identity.projectId)} is not in the allow list`,
      )
    }
    const id = await failing('failed to create agent ID', () =>
      agentPathTemplate.agentId(trustDomain, templateDataOf(identity)),
    )
    const agentId = String(id)
    refuseSecondUse(agentId, context)
    const selectorValues = [
      `project-id:${identity.projectId}`,
      `zone:${identity.zone}`,
      `instance-name:${identity.instanceName}`,
      `sa:${identity.email}`,
      ...(await this.#instanceSelectors(identity, context.signal)),
    ]
    return { agentId, selectorValues, canReattest: false, isTrustedOnFirstUse: true }
  }

  /** The token is read before keys are asked for: rubbish costs nothing but its reading. */
  async #verify(payload: Uint8Array): Promise<Identity> {
    if (payload.length === 0) throw malformed('missing attestation payload')
    const token = wrapping(malformed, 'unable to parse the identity token', () =>
      JsonWebToken.parse(payload, ['RS256']),
    )
    const keys = await this.#fetchKeys()
    const claims = wrapping(malformed, 'failed to validate the identity token signature', () => {
      const key = keys.get(token.keyId)
      if (!key) throw new Error('go-jose/go-jose: JWK with matching kid not found in JWK Set')
      if (!token.isSignedBy(key))
        throw new Error('go-jose/go-jose: error in cryptographic primitive')
      return token.claims()
    })
    wrapping(refused, 'failed to validate the identity token claims', () =>
      checkClaims(claims, { audience, leewayMs, now: this.#options.clock.now() }),
    )
    return readIdentity(claims)
  }

  async #fetchKeys(): ReturnType<GoogleKeys['fetch']> {
    try {
      return await this.#options.keys.fetch()
    } catch (cause) {
      throw failed(messageOf(cause), cause)
    }
  }

  async #instanceSelectors(identity: Identity, signal: AbortSignal): Promise<readonly string[]> {
    const { fetchInstance, labelKeys } = this.#options
    if (!fetchInstance) return []
    let instance: ComputeInstance
    try {
      instance = await fetchInstance(identity, signal)
    } catch (cause) {
      throw failed(`failed to fetch instance metadata: ${messageOf(cause)}`, cause)
    }
    const labels = [...new Set(labelKeys)].flatMap((key) => {
      const value = instance.labels.get(key)
      return value === undefined ? [] : [`label:${key}:${value}`]
    })
    return [...instance.tags.map((tag) => `tag:${tag}`), ...labels, ...this.#metadata(instance)]
  }

  #metadata({ metadata }: ComputeInstance): readonly string[] {
    const { metadataKeys, maxMetadataValueBytes: max } = this.#options
    return metadata
      .filter(({ key }) => metadataKeys.has(key))
      .map(({ key, value }) => {
        const length = Buffer.byteLength(value)
        if (length <= max) return `metadata:${key}:${value}`
        throw failed(`metadata ${quoteGo(key)} exceeded value limit (${length} > ${max})`)
      })
  }
}

function readIdentity(claims: object): Identity {
  const instance = objectIn(objectIn(claims, 'google'), 'compute_engine')
  return {
    email: stringIn(claims, 'email'),
    projectId: stringIn(instance, 'project_id'),
    projectNumber: numberIn(instance, 'project_number'),
    zone: stringIn(instance, 'zone'),
    instanceId: stringIn(instance, 'instance_id'),
    instanceName: stringIn(instance, 'instance_name'),
    createdAtSeconds: numberIn(instance, 'instance_creation_timestamp'),
  }
}

function templateDataOf(identity: Identity): TemplateStruct {
  const instance = new TemplateStruct('gcp.ComputeEngine', {
    ProjectID: identity.projectId,
    ProjectNumber: identity.projectNumber,
    Zone: identity.zone,
    InstanceID: identity.instanceId,
    InstanceName: identity.instanceName,
    InstanceCreationTimestamp: identity.createdAtSeconds,
  })
  return TemplateStruct.embedding('gcp.agentPathTemplateData', ['ComputeEngine', instance], {
    PluginName: name,
    ServiceAccount: identity.email.replaceAll('@', '_'),
  })
}
