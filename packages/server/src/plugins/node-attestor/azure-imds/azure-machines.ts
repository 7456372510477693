import { quoteGo } from '@mini-spire/runtime/go-quote'
import { listIn, numberIn, objectIn, stringIn, stringMap } from '@mini-spire/runtime/json-fields'
import { failed, failing, notFound } from '../attestor-errors.ts'
import type { AzureManagement } from '../azure-management.ts'

const versions = { graph: '2021-03-01', compute: '2024-07-01' }

/** A network interface: its security group and the subnets of its addresses, as resource IDs; empty when it has none. */
export interface MachineInterface {
  readonly securityGroupId: string
  readonly subnetIds: readonly string[]
}

/** What Azure says of a virtual machine. */
export interface AzureMachine {
  readonly name: string
  readonly location: string
  readonly resourceGroup: string
  readonly tags: ReadonlyMap<string, string>
  readonly interfaces: readonly MachineInterface[]
}

/** A virtual machine of a subscription. */
export interface MachineKey {
  readonly subscriptionId: string
  readonly vmId: string
}

/**
 * Looks virtual machines up by their ID, in one subscription each time.
 *
 * Every method throws {@link NodeAttestorError} `ERR_NODE_ATTESTOR_FAILED`, or `ERR_NODE_NOT_FOUND` when the resource graph
 * has no such thing.
 */
export class AzureMachines {
  readonly #management: Pick<AzureManagement, 'get' | 'post' | 'list'>

  constructor(management: Pick<AzureManagement, 'get' | 'post' | 'list'>) {
    this.#management = management
  }

  /** A machine of its own. */
  async findMachine(machine: MachineKey, signal: AbortSignal): Promise<AzureMachine> {
    const query = `resources
| where type =~ 'microsoft.compute/virtualmachines' and properties.vmId == '${literal(machine.vmId)}'
| project id, name, location, tags, resourceGroup`
    const found = await this.#one('unable to get virtual machine', machine, query, signal)
    const cards = `resources
| where type =~ 'microsoft.network/networkinterfaces'
| where tolower(tostring(properties.virtualMachine.id)) == tolower('${literal(stringIn(found, 'id'))}')
| project name, properties`
    const interfaces = await this.#query('unable to get network interfaces', machine, cards, signal)
    return {
      name: stringIn(found, 'name'),
      location: stringIn(found, 'location'),
      resourceGroup: stringIn(found, 'resourceGroup'),
      tags: stringMap(objectIn(found, 'tags')),
      interfaces: interfaces.map((one) => interfaceOf(objectIn(one, 'properties'))),
    }
  }

  /** A machine of a scale set, whose name the caller has checked. */
  async findInstance(
    machine: MachineKey,
    scaleSet: string,
    signal: AbortSignal,
  ): Promise<AzureMachine> {
    const query = `resources
| where type =~ 'microsoft.compute/virtualmachinescalesets' and name == '${literal(scaleSet)}'
| project name, resourceGroup`
    const found = await this.#one('unable to get VMSS info', machine, query, signal)
    const resourceGroup = stringIn(found, 'resourceGroup')
    const [inside, group, set] = [machine.subscriptionId, resourceGroup, scaleSet].map(
      encodeURIComponent,
    )
    const folder = `/subscriptions/${inside}/resourceGroups/${group}/providers/Microsoft.Compute`
    const path = `${folder}/virtualMachineScaleSets/${set}/virtualMachines`
    const instance = await failing('unable to list VMSS instances', async () => {
      const instances = this.#management.list(`${path}?api-version=${versions.compute}`, signal)
      for await (const one of instances) {
        if (stringIn(objectIn(one, 'properties'), 'vmId') === machine.vmId) return one
      }
      return undefined
    })
    if (!instance) throw failed(`VMSS instance ${quoteGo(machine.vmId)} not found`)
    return instanceOf(instance, resourceGroup)
  }

  async #one(
    what: string,
    machine: MachineKey,
    query: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    const found = await this.#query(what, machine, query, signal)
    if (found.length > 1) throw failed('expected one result for resource at most')
    return found[0]
  }

  /** Never an empty list. */
  async #query(
    what: string,
    { subscriptionId }: MachineKey,
    query: string,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const path = `/providers/Microsoft.ResourceGraph/resources?api-version=${versions.graph}`
    const options = { resultFormat: 'objectArray' }
    const body = { subscriptions: [subscriptionId], query, options }
    const answer = await failing(what, () => this.#management.post(path, body, signal))
    const found = listIn(answer, 'data')
    if (numberIn(answer, 'totalRecords') === 0 || found.length === 0) {
      throw notFound('resource not found')
    }
    return found
  }
}

function instanceOf(instance: unknown, resourceGroup: string): AzureMachine {
  const part = (name: string): string => {
    const text = stringIn(instance, name)
    if (text === '') throw failed(`vmss instance ${name} is nil`)
    return text
  }
  const configuration = objectIn(objectIn(instance, 'properties'), 'networkProfileConfiguration')
  return {
    name: part('name'),
    location: part('location'),
    resourceGroup,
    tags: stringMap(objectIn(instance, 'tags')),
    interfaces: listIn(configuration, 'networkInterfaceConfigurations').map((one) =>
      interfaceOf(objectIn(one, 'properties')),
    ),
  }
}

function interfaceOf(properties: object): MachineInterface {
  return {
    securityGroupId: stringIn(objectIn(properties, 'networkSecurityGroup'), 'id'),
    subnetIds: listIn(properties, 'ipConfigurations')
      .map((one) => stringIn(objectIn(objectIn(one, 'properties'), 'subnet'), 'id'))
      .filter((id) => id !== ''),
  }
}

/** What stands between the quotes of a string literal of the query language. */
function literal(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    .replaceAll(/[\r\n]/g, ' ')
}
