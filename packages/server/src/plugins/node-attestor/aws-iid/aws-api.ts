/** Where something of AWS is looked up. */
export interface AwsPlace {
  readonly accountId: string
  readonly region: string
}

/** An instance, as far as anything is decided by it. */
export interface Ec2Instance {
  readonly tags: readonly { readonly key: string; readonly value: string }[]
  readonly securityGroups: readonly { readonly id: string; readonly name: string }[]
  /** Undefined: it has none. */
  readonly instanceProfileArn: string | undefined
  readonly networkInterfaces: readonly Attachment<number>[]
  /** `ebs` or `instance-store`. */
  readonly rootDeviceType: string
  readonly rootDeviceName: string
  readonly blockDevices: readonly Attachment<string>[]
}

/** A network interface by its device index, or a volume by its device name. */
export interface Attachment<Device> {
  readonly device: Device | undefined
  readonly attachedAt: Date | undefined
}

/** What this attestor asks AWS. Every method throws an `Error` when AWS says no, or nothing within the bounds. */
export interface AwsApi {
  /** Instances that are pending or running and have this ID, by reservation. */
  describeInstances(
    place: AwsPlace,
    instanceId: string,
    signal: AbortSignal,
  ): Promise<readonly (readonly Ec2Instance[])[]>
  /** ARNs of the roles of an instance profile. */
  listProfileRoles(
    place: AwsPlace,
    profileName: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>
  /** IDs of the accounts of the organization that are active. */
  listActiveAccounts(signal: AbortSignal): Promise<ReadonlySet<string>>
  /** IDs of the instances of all node groups of a cluster. */
  listClusterInstances(
    place: AwsPlace,
    clusterName: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>
}
