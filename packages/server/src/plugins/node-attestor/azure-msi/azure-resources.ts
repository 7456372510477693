import { quoteGo } from '@mini-spire/runtime/go-quote'
import { stringIn } from '@mini-spire/runtime/json-fields'
import { fetchOwnSubscription } from '../azure-credentials.ts'
import { AzureManagement, type AzureManagementOptions } from '../azure-management.ts'

const versions = { resources: '2021-04-01', compute: '2024-07-01', network: '2024-05-01' }

/** Options of {@link AzureResources}. */
export interface AzureResourcesOptions extends AzureManagementOptions {
  /** Empty: the subscription of the machine that this server runs on. */
  readonly subscriptionId: string
}

/** A resource, by its group and its name. */
export interface ResourceName {
  readonly group: string
  readonly name: string
}

/** What Azure's management API says of the virtual machines of one subscription. Every method throws when it says no. */
export class AzureResources {
  readonly #options: AzureResourcesOptions
  readonly #management: AzureManagement
  #subscriptionId: string

  constructor(options: AzureResourcesOptions) {
    this.#options = options
    this.#management = new AzureManagement(options)
    this.#subscriptionId = options.subscriptionId
  }

  /** The subscription that is looked into. */
  async subscriptionId(signal: AbortSignal): Promise<string> {
    if (this.#subscriptionId === '') {
      this.#subscriptionId = await fetchOwnSubscription(this.#options, signal)
    }
    return this.#subscriptionId
  }

  /** The resource ID of the one virtual machine that has this managed identity. */
  async findVirtualMachineId(principalId: string, signal: AbortSignal): Promise<string> {
    const principal = principalId.replaceAll("'", "''")
    const filter = `resourceType eq 'Microsoft.Compute/virtualMachines' and identity/principalId eq '${principal}'`
    const query = new URLSearchParams({ $filter: filter, 'api-version': versions.resources })
    const subscription = encodeURIComponent(await this.subscriptionId(signal))
    const found: unknown[] = []
    const path = `/subscriptions/${subscription}/resources?${query}`
    for await (const resource of this.#management.list(path, signal)) {
      found.push(resource)
      if (found.length > 1) {
        throw new Error(`expected one result for principal ${quoteGo(principalId)} at most`)
      }
    }
    if (found.length === 0) throw new Error(`principal ${quoteGo(principalId)} not found`)
    const id = stringIn(found[0], 'id')
    if (id === '') throw new Error('virtual machine resource missing ID')
    return id
  }

  async getVirtualMachine(machine: ResourceName, signal: AbortSignal): Promise<unknown> {
    const path = await this.#path(machine, 'Microsoft.Compute/virtualMachines', signal)
    return await this.#management.get(`${path}?api-version=${versions.compute}`, signal)
  }

  async getNetworkInterface(card: ResourceName, signal: AbortSignal): Promise<unknown> {
    const path = await this.#path(card, 'Microsoft.Network/networkInterfaces', signal)
    return await this.#management.get(`${path}?api-version=${versions.network}`, signal)
  }

  async #path({ group, name }: ResourceName, type: string, signal: AbortSignal): Promise<string> {
    const subscription = await this.subscriptionId(signal)
    const [inside, folder, last] = [subscription, group, name].map(encodeURIComponent)
    return `/subscriptions/${inside}/resourceGroups/${folder}/providers/${type}/${last}`
  }
}
