import type { AzureMachine } from './azure-machines.ts'

/** What {@link machineSelectors} makes selectors of. */
export interface SelectorSource {
  readonly machine: AzureMachine
  readonly subscriptionId: string
  /** Undefined for a machine of its own. */
  readonly scaleSet: string | undefined
  /** Tags that become selectors. */
  readonly vmTags: readonly string[]
}

/** The selectors of a machine, as SPIRE writes them; sorted, each once. A resource ID of another shape makes none. */
export function machineSelectors(source: SelectorSource): readonly string[] {
  const { machine, subscriptionId, scaleSet, vmTags } = source
  const selectors = new Set([
    `subscription-id:${subscriptionId}`,
    `vm-name:${machine.name}`,
    `vm-location:${machine.location}`,
    `resource-group:${machine.resourceGroup}`,
  ])
  if (scaleSet !== undefined) selectors.add(`vmss-name:${scaleSet}`)
  for (const tag of vmTags) {
    const value = machine.tags.get(tag)
    if (value !== undefined) selectors.add(`vm-tag:${tag}:${value}`)
  }
  for (const { securityGroupId, subnetIds } of machine.interfaces) {
    const group = partsOf(securityGroupId, ['resourceGroups', 'networkSecurityGroups'])
    if (group) selectors.add(`network-security-group:${group.join(':')}`)
    for (const id of subnetIds) {
      const subnet = partsOf(id, ['virtualNetworks', 'subnets'])
      if (!subnet) continue
      selectors.add(`virtual-network:${subnet[0]}`)
      selectors.add(`virtual-network-subnet:${subnet.join(':')}`)
    }
  }
  return [...selectors].sort()
}

/** What stands after these words of a resource ID: `/subscriptions/<id>/resourceGroups/<name>/…`. */
function partsOf(id: string, words: readonly string[]): readonly string[] | undefined {
  const steps = id.split('/')
  const parts = words.map((word) => {
    const at = steps.indexOf(word)
    return at < 0 ? '' : (steps[at + 1] ?? '')
  })
  return parts.every((part) => part !== '') ? parts : undefined
}
