import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { TemplateStruct } from '../agent-path-template/template-value.ts'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { failed, failing, wrapping } from '../attestor-errors.ts'
import type { NodeAttestation, NodeAttestationContext, NodeAttestor } from '../node-attestor.ts'
import { refuseSecondUse } from '../trust-on-first-use.ts'
import type { AwsApi, Ec2Instance } from './aws-api.ts'
import { checkBlockDevice } from './block-device.ts'
import { type IdentityDocument, verifyIdentityDocument } from './identity-document.ts'
import { documentSelectors, instanceProfileName, instanceSelectors } from './instance-selectors.ts'
import type { RegionCertificates } from './region-certificates.ts'

const name = 'aws_iid'

/** Options of {@link AwsIidAttestor}: its `plugin_data`. */
export interface AwsIidOptions {
  readonly trustDomain: TrustDomain
  readonly api: AwsApi
  readonly certificates: RegionCertificates
  readonly agentPathTemplate: AgentPathTemplate
  /** Whether the template names tags of the instance. */
  readonly isNamedByTags: boolean
  /** Accounts whose instances' volumes are not looked at. */
  readonly locallyValidAccounts: ReadonlySet<string>
  readonly skipsBlockDevice: boolean
  readonly skipsInstanceProfile: boolean
  /** Undefined: accounts of any organization. */
  readonly organization: { has(accountId: string): Promise<boolean> } | undefined
  /** Undefined: instances of any cluster or none. */
  readonly cluster: { has(document: IdentityDocument): Promise<boolean> } | undefined
}

/**
 * Attests an EC2 instance by its instance identity document, which AWS signs, and by what EC2 says of the instance.
 *
 * Not checked, as in SPIRE: how old the document is. An instance attests once.
 */
export class AwsIidAttestor implements NodeAttestor {
  readonly name: string = name
  readonly #options: AwsIidOptions

  constructor(options: AwsIidOptions) {
    this.#options = options
  }

  /** AWS is asked nothing for who has attested already, unless the tags of the instance are what says who it is. */
  async attest(payload: Uint8Array, context: NodeAttestationContext): Promise<NodeAttestation> {
    const { api, certificates, isNamedByTags } = this.#options
    const document = await verifyIdentityDocument(payload, certificates)
    if (!isNamedByTags) refuseSecondUse(await this.#agentId(document, []), context)
    await this.#checkOrganization(document)
    await this.#checkCluster(document)
    const reservations = await failing('failed to describe instance', () =>
      api.describeInstances(document, document.instanceId, context.signal),
    )
    const checksDevice = this.#checksBlockDevice(document)
    const instance = isNamedByTags || checksDevice ? firstInstance(reservations) : undefined
    if (instance && checksDevice) {
      wrapping(failed, 'failed aws ec2 attestation', () => checkBlockDevice(instance))
    }
    const agentId = await this.#agentId(document, instance?.tags ?? [])
    refuseSecondUse(agentId, context)
    const selectors = new Set(documentSelectors(document))
    for (const one of reservations.flat()) {
      for (const value of instanceSelectors(one)) selectors.add(value)
      for (const arn of await this.#roles(document, one, context.signal)) {
        selectors.add(`iamrole:${arn}`)
      }
    }
    const selectorValues = [...selectors].sort()
    return { agentId, selectorValues, canReattest: false, isTrustedOnFirstUse: true }
  }

  #checksBlockDevice({ accountId }: IdentityDocument): boolean {
    const { skipsBlockDevice, locallyValidAccounts } = this.#options
    return !skipsBlockDevice && !locallyValidAccounts.has(accountId)
  }

  async #checkOrganization({ accountId }: IdentityDocument): Promise<void> {
    const { organization } = this.#options
    if (!organization) return
    const what = `failed aws ec2 attestation, issue while verifying if nodes account id: ${accountId} belong to org`
    if (await failing(what, () => organization.has(accountId))) return
    throw failed(
      `failed aws ec2 attestation, nodes account id: ${accountId} is not part of configured organization or doesn't have ACTIVE status`,
    )
  }

  async #checkCluster(document: IdentityDocument): Promise<void> {
    const { cluster } = this.#options
    if (!cluster) return
    const { instanceId } = document
    const what = `failed aws eks attestation, issue while verifying if nodes id: ${instanceId} belong to cluster`
    if (await failing(what, () => cluster.has(document))) return
    throw failed(
      `failed aws eks attestation, nodes id: ${instanceId} is not part of configured EKS cluster`,
    )
  }

  async #roles(
    document: IdentityDocument,
    { instanceProfileArn: arn }: Ec2Instance,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { api, skipsInstanceProfile } = this.#options
    if (skipsInstanceProfile || arn === undefined) return []
    const profile = instanceProfileName(arn)
    // The text is SPIRE's, letter by letter.
    return await failing('failed to get intance profile', () =>
      api.listProfileRoles(document, profile, signal),
    )
  }

  async #agentId(document: IdentityDocument, tags: Ec2Instance['tags']): Promise<string> {
    const { trustDomain, agentPathTemplate } = this.#options
    const data = new TemplateStruct('awsiid.agentPathTemplateData', {
      InstanceID: document.instanceId,
      AccountID: document.accountId,
      Region: document.region,
      PluginName: name,
      TrustDomain: '',
      Tags: new Map(tags.map(({ key, value }) => [key, value])),
    })
    return String(
      await failing('failed to create spiffe ID', () =>
        agentPathTemplate.agentId(trustDomain, data),
      ),
    )
  }
}

function firstInstance(reservations: readonly (readonly Ec2Instance[])[]): Ec2Instance {
  const what = 'failed to query AWS via describe-instances'
  const [reservation] = reservations
  if (!reservation) throw failed(`${what}: returned no reservations`)
  const [instance] = reservation
  if (!instance) throw failed(`${what}: returned no instances`)
  return instance
}
