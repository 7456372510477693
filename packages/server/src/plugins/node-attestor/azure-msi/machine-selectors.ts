import { quoteGo } from '@mini-spire/runtime/go-quote'
import { listIn, objectIn, stringIn } from '@mini-spire/runtime/json-fields'
import { failed, failing } from '../attestor-errors.ts'
import type { AzureResources, ResourceName } from './azure-resources.ts'

const inGroup = '^/subscriptions/[^/]+/resourceGroups/([^/]+)/providers/'
const machinePattern = `${inGroup}Microsoft.Compute/virtualMachines/([^/]+)$`
const cardPattern = `${inGroup}Microsoft.Network/networkInterfaces/([^/]+)$`
const securityGroupPattern = `${inGroup}Microsoft.Network/networkSecurityGroups/([^/]+)$`
const subnetPattern = `${inGroup}Microsoft.Network/virtualNetworks/([^/]+)/subnets/([^/]+)$`

/** What {@link resolveMachine} asks. */
export type MachineSource = Pick<
  AzureResources,
  'subscriptionId' | 'findVirtualMachineId' | 'getVirtualMachine' | 'getNetworkInterface'
>

/**
 * Finds the virtual machine that has a managed identity, and what selectors say of it; sorted, each once.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_FAILED`, as SPIRE words it
 */
export async function resolveMachine(
  source: MachineSource,
  principalId: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const id = await failing(`unable to get resource for principal ${quoteGo(principalId)}`, () =>
    source.findVirtualMachineId(principalId, signal),
  )
  const machine = readName(machinePattern, 'virtual machine', id)
  const subscriptionId = await source.subscriptionId(signal)
  const vm = await failing(`unable to get virtual machine ${quoteGo(label(machine))}`, () =>
    source.getVirtualMachine(machine, signal),
  )
  const selectors = new Set([`subscription-id:${subscriptionId}`, `vm-name:${label(machine)}`])
  const profile = objectIn(objectIn(vm, 'properties'), 'networkProfile')
  for (const reference of listIn(profile, 'networkInterfaces')) {
    const cardId = stringIn(reference, 'id')
    if (cardId === '') continue
    const card = readName(cardPattern, 'network interface', cardId)
    const found = await failing(`unable to get network interface ${quoteGo(label(card))}`, () =>
      source.getNetworkInterface(card, signal),
    )
    for (const selector of cardSelectors(found)) selectors.add(selector)
  }
  return [...selectors].sort()
}

function cardSelectors(card: unknown): readonly string[] {
  const properties = objectIn(card, 'properties')
  const groupId = stringIn(objectIn(properties, 'networkSecurityGroup'), 'id')
  const group = groupId === '' ? [] : [securityGroupSelector(groupId)]
  const subnets = listIn(properties, 'ipConfigurations').flatMap((configuration) => {
    const subnet = objectIn(objectIn(configuration, 'properties'), 'subnet')
    const id = stringIn(subnet, 'id')
    return id === '' ? [] : subnetSelectors(id)
  })
  return [...group, ...subnets]
}

function securityGroupSelector(id: string): string {
  const group = readName(securityGroupPattern, 'network security group', id)
  return `network-security-group:${label(group)}`
}

function subnetSelectors(id: string): readonly string[] {
  const [group, network, subnet] = readParts(subnetPattern, 'virtual network subnet', id)
  return [
    `virtual-network:${group}:${network}`,
    `virtual-network-subnet:${group}:${network}:${subnet}`,
  ]
}

function readName(pattern: string, what: string, id: string): ResourceName {
  const [group = '', name = ''] = readParts(pattern, what, id)
  return { group, name }
}

function readParts(pattern: string, what: string, id: string): readonly string[] {
  const match = new RegExp(pattern).exec(id)
  if (match) return match.slice(1)
  throw failed(`malformed ${what} ID ${quoteGo(id)}`)
}

function label({ group, name }: ResourceName): string {
  return `${group}:${name}`
}
