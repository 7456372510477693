import type { IncomingMessage, RequestListener } from 'node:http'
import { managementToken } from './fake-azure-directory.ts'
import type { FakeAzureMachine } from './fake-azure-machine.ts'

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
  const pageOf = async (request: IncomingMessage): Promise<object | undefined> => {
    const { pathname } = new URL(request.url ?? '/', 'https://management.azure.com')
    if (!pathname.endsWith('/Microsoft.ResourceGraph/resources')) return pages[pathname]
    return graphAnswer(JSON.parse(await bodyOf(request)), machine, card)
  }
  return (request, response) => {
    const end = (status: number, page: object = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(page))
    }
    if (request.headers.authorization !== `Bearer ${managementToken}`) return end(401)
    pageOf(request).then(
      (page) => end(page ? 200 : 404, page),
      () => end(400),
    )
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
