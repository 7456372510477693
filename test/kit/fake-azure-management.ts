import type { IncomingMessage, RequestListener } from 'node:http'
import type { FakeAzureMachine } from './fake-azure.ts'
import { managementToken } from './fake-azure-directory.ts'

/** Azure's management API, as it knows one machine: resources, the machine itself, its scale set, and the resource graph. */
export function answerManagement(machine: FakeAzureMachine): RequestListener {
  const { subscriptionId, resourceGroup, name, location, tags, vmId, scaleSet } = machine
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers`
  const machineId = `${group}/Microsoft.Compute/virtualMachines/${name}`
  const cardId = `${group}/Microsoft.Network/networkInterfaces/nic-1`
  const card = networkOf(`${group}/Microsoft.Network`)
  const instances = `${group}/Microsoft.Compute/virtualMachineScaleSets/${scaleSet}/virtualMachines`
  const pages: Readonly<Record<string, object>> = {
    [`/subscriptions/${subscriptionId}/resources`]: { value: [{ id: machineId }] },
    [machineId]: {
      id: machineId,
      properties: { networkProfile: { networkInterfaces: [{ id: cardId }] } },
    },
    [cardId]: { id: cardId, properties: card },
    [instances]: {
      value: [
        {
          id: `${instances}/0`,
          ...{ name: `${scaleSet}_0`, location, tags },
          properties: {
            vmId,
            networkProfileConfiguration: {
              networkInterfaceConfigurations: [{ name: 'nic-1', properties: card }],
            },
          },
        },
      ],
    },
  }
  return async (request, response) => {
    if (request.headers.authorization !== `Bearer ${managementToken}`) {
      response.writeHead(401).end()
      return
    }
    const { pathname } = new URL(request.url ?? '/', 'https://management.azure.com')
    const page = pathname.endsWith('/Microsoft.ResourceGraph/resources')
      ? graphAnswer(JSON.parse(await bodyOf(request)), machine, card)
      : pages[pathname]
    if (page) response.setHeader('content-type', 'application/json').end(JSON.stringify(page))
    else response.writeHead(404).end('{}')
  }
}

interface GraphQuery {
  readonly subscriptions?: readonly string[]
  readonly query: string
}

/** Enough of the resource graph for queries about one machine: what is asked for is told by the type of resource. */
function graphAnswer(
  { query, subscriptions = [] }: GraphQuery,
  machine: FakeAzureMachine,
  card: object,
): object {
  const { subscriptionId, resourceGroup, name, location, tags, vmId, scaleSet } = machine
  const asked = query.toLowerCase()
  const common = { location, resourceGroup }
  const provider = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers`
  const id = `${provider}/Microsoft.Compute/virtualMachines/${name}`
  const found = (): readonly object[] => {
    if (!subscriptions.includes(subscriptionId)) return []
    // What one client has the service take apart, the other reads from the properties.
    if (asked.includes('microsoft.network/networkinterfaces')) {
      const securityGroup = { resourceGroup, name: 'nsg-1' }
      const subnets = [{ vnet: 'net-1', name: 'subnet-1' }]
      const nic = { name: 'nic-1', resourceGroup, subnets, securityGroup, properties: card }
      return asked.includes(id.toLowerCase()) ? [nic] : []
    }
    if (asked.includes('microsoft.compute/virtualmachinescalesets')) {
      if (scaleSet === undefined || !query.includes(`'${scaleSet}'`)) return []
      return [{ ...common, id: `${provider}/x`, name: scaleSet, subscriptionId }]
    }
    if (asked.includes('microsoft.compute/virtualmachines')) {
      return query.includes(`'${vmId}'`) ? [{ ...common, id, name, tags, vmId }] : []
    }
    return []
  }
  const data = found()
  return {
    totalRecords: data.length,
    count: data.length,
    data,
    facets: [],
    resultTruncated: 'false',
  }
}

function networkOf(provider: string): object {
  const subnet = { id: `${provider}/virtualNetworks/net-1/subnets/subnet-1` }
  return {
    networkSecurityGroup: { id: `${provider}/networkSecurityGroups/nsg-1` },
    ipConfigurations: [{ name: 'ip-1', properties: { subnet } }],
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}
