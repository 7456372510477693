/** A virtual machine of Azure. */
export interface FakeAzureMachine {
  readonly tenantId: string
  /** A domain of the tenant. */
  readonly domain: string
  readonly subscriptionId: string
  readonly resourceGroup: string
  readonly name: string
  readonly location: string
  readonly vmId: string
  /** Of its managed identity. */
  readonly principalId: string
  readonly tags: Readonly<Record<string, string>>
  /** The scale set that it is an instance of. */
  readonly scaleSet?: string
}
