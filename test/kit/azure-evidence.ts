import { writeFileSync } from 'node:fs'
import { FakeAzure, type FakeAzureMachine } from '@mini-spire/sdk/testing/platforms'
import { microsoftRoots } from '@mini-spire/server/plugins/node-attestor/azure-imds/microsoft-roots.data'
import type { NodeEvidence } from './node-evidence.ts'
import type { Scene } from './processes.ts'

const azureMachine: FakeAzureMachine = {
  tenantId: '11111111-2222-3333-4444-555555555555',
  domain: 'example.onmicrosoft.com',
  subscriptionId: '66666666-7777-8888-9999-000000000000',
  resourceGroup: 'group-1',
  name: 'vm-1',
  location: 'westeurope',
  vmId: '4c4c4544-0052-3310-8051-b4c04f4e3633',
  principalId: '12345678-1234-1234-1234-123456789abc',
  tags: { env: 'prod', secret: 'x' },
}

/** Azure with one machine, and what two daemons need to attest by it. */
export async function azureImds(
  scene: Scene,
  scaleSet?: string,
): Promise<{ readonly azure: FakeAzure; readonly evidence: NodeEvidence }> {
  const machine = { ...azureMachine, ...(scaleSet !== undefined && { scaleSet }) }
  const azure = await startAzure(scene, machine)
  const { domain, tenantId, subscriptionId, vmId } = machine
  const root = scene.path('azure-root.pem')
  writeFileSync(root, azure.chain.rootPem)
  const [builtIn = ''] = microsoftRoots
  const evidence: NodeEvidence = {
    server: `NodeAttestor "azure_imds" { plugin_data {
      tenants = { "${domain}" = {
        secret_auth = { app_id = "${tenantId}" app_secret = "secret" }
        allowed_vm_tags = ["env"]
        restrict_to_subscriptions = ["${subscriptionId}"]
      } }
      trust_bundle_path = "${root}"
    } }`,
    agent: `NodeAttestor "azure_imds" { plugin_data { tenant_domain = "${domain}" } }`,
    serverEnvironment: azure.environment,
    agentEnvironment: agentEnvironmentOf(azure),
    builtInRoot: { builtIn, other: azure.chain.rootPem },
    agentId: new RegExp(
      `^spiffe://example\\.org/spire/agent/azure_imds/${tenantId}/${subscriptionId}/${vmId}$`,
    ),
    selectors: [
      'azure_imds:network-security-group:group-1:nsg-1',
      'azure_imds:resource-group:group-1',
      `azure_imds:subscription-id:${subscriptionId}`,
      'azure_imds:virtual-network-subnet:net-1:subnet-1',
      'azure_imds:virtual-network:net-1',
      'azure_imds:vm-location:westeurope',
      `azure_imds:vm-name:${scaleSet === undefined ? 'vm-1' : `${scaleSet}_0`}`,
      'azure_imds:vm-tag:env:prod',
      ...(scaleSet === undefined ? [] : [`azure_imds:vmss-name:${scaleSet}`]),
    ],
  }
  return { azure, evidence }
}

/** Azure with one machine that has a managed identity, as {@link azureImds}. */
export async function azureMsi(scene: Scene): Promise<NodeEvidence> {
  const azure = await startAzure(scene, azureMachine)
  const { tenantId, subscriptionId, principalId } = azureMachine
  return {
    server: `NodeAttestor "azure_msi" { plugin_data { tenants = { "${tenantId}" = {
      subscription_id = "${subscriptionId}" app_id = "${tenantId}" app_secret = "secret"
    } } } }`,
    agent: 'NodeAttestor "azure_msi" { plugin_data {} }',
    serverEnvironment: azure.environment,
    agentEnvironment: agentEnvironmentOf(azure),
    agentId: new RegExp(
      `^spiffe://example\\.org/spire/agent/azure_msi/${tenantId}/${principalId}$`,
    ),
    selectors: [
      'azure_msi:network-security-group:group-1:nsg-1',
      `azure_msi:subscription-id:${subscriptionId}`,
      'azure_msi:virtual-network-subnet:group-1:net-1:subnet-1',
      'azure_msi:virtual-network:group-1:net-1',
      'azure_msi:vm-name:group-1:vm-1',
    ],
  }
}

async function startAzure(scene: Scene, machine: FakeAzureMachine): Promise<FakeAzure> {
  const azure = await FakeAzure.start(machine)
  scene.defer(() => azure[Symbol.asyncDispose]())
  return azure
}

/** For an agent, which asks the metadata service through a proxy, or straight if it is ours. */
function agentEnvironmentOf({
  environment,
  metadataAddress,
}: FakeAzure): Readonly<Record<string, string>> {
  const redirect = new URL('redirect-metadata.mjs', import.meta.url)
  return {
    HTTP_PROXY: environment.HTTP_PROXY,
    NODE_OPTIONS: `--import=${redirect.href}`,
    TEST_METADATA_ADDRESS: metadataAddress,
  }
}
