import { randomInt } from 'node:crypto'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TemplateStruct } from '../agent-path-template/template-value.ts'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { failing, malformed, refused, wrapping } from '../attestor-errors.ts'
import { GoJsonObject } from '../go-json.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { refuseSecondUse } from '../trust-on-first-use.ts'
import type { AttestedContent, AttestedDocuments } from './attested-document.ts'
import type { AzureTenant } from './azure-tenant.ts'
import { machineSelectors } from './machine-selectors.ts'
import { scaleSetNameProblem } from './scale-set-name.ts'

const name = 'azure_imds'
const nonceLength = 32
const nonceLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const maxResponseBytes = 128 * 1024
const maxShownLength = 253

/** Options of {@link AzureImdsAttestor}: its `plugin_data`. */
export interface AzureImdsOptions {
  readonly trustDomain: TrustDomain
  readonly documents: Pick<AttestedDocuments, 'verify'>
  /** By domain. */
  readonly tenants: ReadonlyMap<string, AzureTenant>
  readonly agentPathTemplate: AgentPathTemplate
}

/** What an agent answers. Of this, the document's signed content alone is proof. */
interface Response {
  readonly signature: string
  readonly domain: string
  readonly scaleSet: string | undefined
}

/**
 * Attests a virtual machine of Azure by a document that its metadata service signs over a nonce of ours.
 *
 * The document says which machine of which subscription it is, not of which tenant. The agent names the tenant, and is
 * believed only as far as the tenant's own credentials find that machine in that subscription. A machine attests once.
 */
export class AzureImdsAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: AzureImdsOptions

  constructor(options: AzureImdsOptions) {
    this.#options = options
  }

  async attest(_: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const nonce = Array.from(
      { length: nonceLength },
      () => nonceLetters[randomInt(nonceLetters.length)],
    ).join('')
    const answer = await context.challenge(Buffer.from(nonce, 'latin1'))
    const { signature, domain, scaleSet } = readResponse(answer)
    const content = await this.#verify(signature)
    checkContent(content, nonce)
    const { subscriptionId, vmId } = content
    const { trustDomain, tenants, agentPathTemplate } = this.#options
    const tenant = tenants.get(domain)
    if (!tenant) {
      throw refused(`tenant ${quoteGo(domain.slice(0, maxShownLength))} is not authorized`)
    }
    if (!tenant.allows(subscriptionId)) {
      throw refused(`subscription ${quoteGo(subscriptionId)} is not authorized`)
    }
    const { id: tenantId, machines } = await tenant.find(context.signal)
    const id = await failing('unable to make agent ID', () =>
      agentPathTemplate.agentId(trustDomain, templateDataOf(content, tenantId)),
    )
    const agentId = String(id)
    refuseSecondUse(agentId, context)
    const key = { subscriptionId, vmId }
    const machine =
      scaleSet === undefined
        ? await machines.findMachine(key, context.signal)
        : await machines.findInstance(key, checkedScaleSet(scaleSet), context.signal)
    const { vmTags } = tenant
    const selectorValues = machineSelectors({ machine, subscriptionId, scaleSet, vmTags })
    return { agentId, selectorValues, canReattest: false, isTrustedOnFirstUse: true }
  }

  async #verify(signature: string): Promise<AttestedContent> {
    try {
      return await this.#options.documents.verify(signature)
    } catch (cause) {
      throw malformed(`failed to validate attested document: ${messageOf(cause)}`, cause)
    }
  }
}

function readResponse(response: Uint8Array): Response {
  if (response.length === 0) throw malformed('missing attestation payload')
  return wrapping(malformed, 'failed to unmarshal data payload', () => {
    if (response.length > maxResponseBytes) throw new Error('it is too long')
    const data = GoJsonObject.parse(response)
    const metadata = data.object('metadata')
    return {
      signature: data.object('document')?.string('signature') ?? '',
      domain: metadata?.string('agentdomain') ?? '',
      scaleSet: metadata?.optionalString('vmssname'),
    }
  })
}

function checkContent({ vmId, subscriptionId, nonce }: AttestedContent, expected: string): void {
  if (vmId === '') throw malformed('missing VM ID in attested document')
  if (subscriptionId === '') throw malformed('missing subscription ID in attested document')
  if (nonce !== expected) throw malformed('nonce mismatch')
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(vmId)) return
  throw malformed('invalid VM ID: invalid UUID format')
}

function checkedScaleSet(scaleSet: string): string {
  const problem = scaleSetNameProblem(scaleSet)
  if (problem === undefined) return scaleSet
  throw malformed(`invalid VMSS name: ${problem}`)
}

function templateDataOf(content: AttestedContent, tenantId: string): TemplateStruct {
  const document = new TemplateStruct('azure.AttestedDocumentContent', {
    TenantID: tenantId,
    SubscriptionID: content.subscriptionId,
    VMID: content.vmId,
    Nonce: content.nonce,
  })
  const embedded = ['AttestedDocumentContent', document] as const
  return TemplateStruct.embedding('azure.imdsAgentPathTemplateData', embedded, { PluginName: name })
}
