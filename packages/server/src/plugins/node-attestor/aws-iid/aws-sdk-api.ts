import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling'
import type { EC2Client, Instance } from '@aws-sdk/client-ec2'
import type { EKSClient } from '@aws-sdk/client-eks'
import type { IAMClient } from '@aws-sdk/client-iam'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import type { AwsApi, AwsPlace, Ec2Instance } from './aws-api.ts'
import { AwsHttpHandler } from './aws-http-handler.ts'
import type { AwsSdk } from './load-aws-sdk.ts'

/** Every account and region has clients of its own; more than this, and the oldest are forgotten. */
const maxPlaces = 256
const maxPages = 200

/** Who asks AWS. */
export interface AwsSdkApiOptions {
  readonly sdk: AwsSdk
  readonly http: Pick<HttpClient, 'request'>
  readonly partition: string
  /** Undefined: who the machine says (environment, files, web identity, instance or container role). */
  readonly accessKey: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
  /** The role that is assumed in the account of the instance; empty: none. */
  readonly assumeRole: string
  /** The account that knows the organization, and the role that is assumed there. */
  readonly management: (AwsPlace & { readonly role: string }) | undefined
}

/** What every client of one place is made with. */
type ClientSettings = ConstructorParameters<typeof EC2Client>[0] & { readonly region: string }

interface Clients {
  readonly ec2: EC2Client
  readonly iam: IAMClient
  readonly cluster: { readonly eks: EKSClient; readonly autoScaling: AutoScalingClient } | undefined
}

/** {@link AwsApi} through AWS's SDK. */
export class AwsSdkApi implements AwsApi {
  readonly #options: AwsSdkApiOptions
  readonly #clients: Map<string, Clients> = new Map()
  readonly #handler: AwsHttpHandler

  constructor(options: AwsSdkApiOptions) {
    this.#options = options
    this.#handler = new AwsHttpHandler(options.http)
  }

  async describeInstances(
    place: AwsPlace,
    instanceId: string,
    abortSignal: AbortSignal,
  ): Promise<readonly (readonly Ec2Instance[])[]> {
    const { ec2 } = this.#options.sdk
    const command = new ec2.DescribeInstancesCommand({
      InstanceIds: [instanceId],
      Filters: [{ Name: 'instance-state-name', Values: ['pending', 'running'] }],
    })
    const { Reservations } = await asked('', () =>
      this.#at(place).ec2.send(command, { abortSignal }),
    )
    return (Reservations ?? []).map(({ Instances }) =>
      (Instances ?? []).filter((one) => one.InstanceId === instanceId).map(readInstance),
    )
  }

  async listProfileRoles(
    place: AwsPlace,
    InstanceProfileName: string,
    abortSignal: AbortSignal,
  ): Promise<readonly string[]> {
    const { iam } = this.#options.sdk
    const command = new iam.GetInstanceProfileCommand({ InstanceProfileName })
    const { InstanceProfile } = await asked('', () =>
      this.#at(place).iam.send(command, { abortSignal }),
    )
    return (InstanceProfile?.Roles ?? []).flatMap(({ Arn }) => (Arn === undefined ? [] : [Arn]))
  }

  async listActiveAccounts(abortSignal: AbortSignal): Promise<ReadonlySet<string>> {
    const { management, sdk } = this.#options
    const { organizations } = sdk
    if (!organizations || !management) throw new Error('no organization is configured')
    const client = new organizations.OrganizationsClient(
      this.#settings(management, management.role),
    )
    const active = new Set<string>()
    await eachPage(async (NextToken) => {
      const command = new organizations.ListAccountsCommand({ NextToken })
      const page = await asked('issue while getting list of accounts: ', () =>
        client.send(command, { abortSignal }),
      )
      for (const { Id, Status } of page.Accounts ?? []) {
        if (Id !== undefined && Status === 'ACTIVE') active.add(Id)
      }
      return page.NextToken
    })
    return active
  }

  async listClusterInstances(
    place: AwsPlace,
    clusterName: string,
    abortSignal: AbortSignal,
  ): Promise<readonly string[]> {
    const { cluster } = this.#at(place)
    const eks = this.#options.sdk.cluster?.eks
    if (!eks || !cluster) throw new Error('no cluster is configured')
    const instances: string[] = []
    await eachPage(async (nextToken) => {
      const command = new eks.ListNodegroupsCommand({ clusterName, nextToken })
      const page = await asked('issue while getting list of EKS Nodegroups: ', () =>
        cluster.eks.send(command, { abortSignal }),
      )
      for (const nodegroupName of page.nodegroups ?? []) {
        const describe = new eks.DescribeNodegroupCommand({ clusterName, nodegroupName })
        const { nodegroup } = await asked('issue while getting list of EKS Node Groups: ', () =>
          cluster.eks.send(describe, { abortSignal }),
        )
        for (const { name } of nodegroup?.resources?.autoScalingGroups ?? []) {
          if (name === undefined) continue
          instances.push(...(await this.#listGroupInstances(place, name, abortSignal)))
        }
      }
      return page.nextToken
    })
    return instances
  }

  async #listGroupInstances(
    place: AwsPlace,
    name: string,
    abortSignal: AbortSignal,
  ): Promise<readonly string[]> {
    const { cluster } = this.#at(place)
    const autoScaling = this.#options.sdk.cluster?.autoScaling
    if (!autoScaling || !cluster) throw new Error('no cluster is configured')
    const instances: string[] = []
    await eachPage(async (NextToken) => {
      const input = { AutoScalingGroupNames: [name], NextToken }
      const command = new autoScaling.DescribeAutoScalingGroupsCommand(input)
      const page = await asked('issue while getting list of instances in AutoScalingGroup: ', () =>
        cluster.autoScaling.send(command, { abortSignal }),
      )
      for (const { Instances } of page.AutoScalingGroups ?? []) {
        for (const { InstanceId } of Instances ?? []) if (InstanceId) instances.push(InstanceId)
      }
      return page.NextToken
    })
    return instances
  }

  /** Without a role to assume, one account is like another: the credentials are the same. */
  #at(place: AwsPlace): Clients {
    const { assumeRole } = this.#options
    const key = assumeRole === '' ? place.region : `${place.accountId}@${place.region}`
    const known = this.#clients.get(key)
    if (known) return known
    const [oldest] = this.#clients.keys()
    if (oldest !== undefined && this.#clients.size >= maxPlaces) this.#clients.delete(oldest)
    const made = this.#makeClients(this.#settings(place, assumeRole))
    this.#clients.set(key, made)
    return made
  }

  #makeClients(settings: ClientSettings): Clients {
    const { ec2, iam, cluster } = this.#options.sdk
    return {
      ec2: new ec2.EC2Client(settings),
      iam: new iam.IAMClient(settings),
      cluster: cluster && {
        eks: new cluster.eks.EKSClient(settings),
        autoScaling: new cluster.autoScaling.AutoScalingClient(settings),
      },
    }
  }

  #settings({ accountId, region }: AwsPlace, role: string): ClientSettings {
    const { sdk, partition, accessKey } = this.#options
    const requestHandler = this.#handler
    const clientConfig = { region, requestHandler }
    const own = accessKey ?? sdk.credentials.fromNodeProviderChain({ clientConfig })
    if (role === '') return { ...clientConfig, credentials: own }
    const assumed = sdk.credentials.fromTemporaryCredentials({
      masterCredentials: own,
      clientConfig,
      params: {
        RoleArn: `arn:${partition}:iam::${accountId}:role/${role}`,
        RoleSessionName: 'spire-server',
      },
    })
    return { ...clientConfig, credentials: assumed }
  }
}

/** Asks, and puts the code of AWS's error before its text. */
async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    const isAnswer = cause instanceof Error && '$metadata' in cause
    const [message = ''] = messageOf(cause).split('\n')
    const why = isAnswer ? `api error ${cause.name}: ${message}` : message
    throw new Error(`${what}${why}`, { cause })
  }
}

async function eachPage(
  read: (token: string | undefined) => Promise<string | undefined>,
): Promise<void> {
  let token: string | undefined
  for (let pages = 0; pages < maxPages; pages++) {
    token = await read(token)
    if (token === undefined || token === '') return
  }
  throw new Error('too many pages')
}

function readInstance(instance: Instance): Ec2Instance {
  return {
    tags: (instance.Tags ?? []).map(({ Key = '', Value = '' }) => ({ key: Key, value: Value })),
    securityGroups: (instance.SecurityGroups ?? []).map(({ GroupId = '', GroupName = '' }) => ({
      id: GroupId,
      name: GroupName,
    })),
    instanceProfileArn: instance.IamInstanceProfile?.Arn,
    networkInterfaces: (instance.NetworkInterfaces ?? []).map(({ Attachment }) => ({
      device: Attachment?.DeviceIndex,
      attachedAt: Attachment?.AttachTime,
    })),
    rootDeviceType: instance.RootDeviceType ?? '',
    rootDeviceName: instance.RootDeviceName ?? '',
    blockDevices: (instance.BlockDeviceMappings ?? []).map(({ DeviceName, Ebs }) => ({
      device: DeviceName,
      attachedAt: Ebs?.AttachTime,
    })),
  }
}
