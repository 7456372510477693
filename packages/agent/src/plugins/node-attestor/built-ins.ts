import { hostname } from 'node:os'
import { systemClock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { AwsIidAttestor } from './aws-iid/aws-iid.ts'
import { AzureImdsAttestor } from './azure-imds/azure-imds.ts'
import { AzureMsiAttestor } from './azure-msi/azure-msi.ts'
import { GcpIitAttestor } from './gcp-iit/gcp-iit.ts'
import { HttpChallengeAttestor } from './http-challenge/http-challenge.ts'
import { K8sPsatAttestor } from './k8s-psat/k8s-psat.ts'
import type { NodeAttestor } from './node-attestor.ts'
import { SshPopAttestor } from './ssh-pop/ssh-pop.ts'
import { TpmDevIdAttestor } from './tpm-devid/tpm-devid.ts'

/** What node attestors get from their agent. */
export interface NodeAttestorSurroundings {
  readonly http: Pick<HttpClient, 'request'>
}

type Create = (
  data: Node | undefined,
  surroundings: NodeAttestorSurroundings,
) => NodeAttestor | Promise<NodeAttestor>

/** Built-in node attestors that need no more of the agent than this, each made from its `plugin_data`. */
export const nodeAttestorBuiltIns: ReadonlyMap<string, Create> = new Map<string, Create>([
  ['aws_iid', createAwsIid],
  ['azure_imds', createAzureImds],
  ['azure_msi', createAzureMsi],
  ['gcp_iit', createGcpIit],
  ['http_challenge', createHttpChallenge],
  ['k8s_psat', createK8sPsat],
  ['sshpop', createSshPop],
  ['tpm_devid', createTpmDevId],
])

const awsIidSchema = { ec2_metadata_endpoint: { type: 'string' } } as const

function createAwsIid(data: Node | undefined, { http }: NodeAttestorSurroundings): NodeAttestor {
  const { ec2_metadata_endpoint } = decodeSection(awsIidSchema, data)
  return new AwsIidAttestor({ http, endpoint: ec2_metadata_endpoint || 'http://169.254.169.254' })
}

const azureImdsSchema = { tenant_domain: { type: 'string' } } as const

function createAzureImds(data: Node | undefined, { http }: NodeAttestorSurroundings): NodeAttestor {
  const { tenant_domain: tenantDomain } = decodeSection(azureImdsSchema, data)
  if (tenantDomain === '') throw new CatalogError('ERR_PLUGIN_CONFIG', 'tenant_domain is required')
  return new AzureImdsAttestor({ http, tenantDomain })
}

const azureMsiSchema = { resource_id: { type: 'string' } } as const

function createAzureMsi(data: Node | undefined, { http }: NodeAttestorSurroundings): NodeAttestor {
  const { resource_id } = decodeSection(azureMsiSchema, data)
  return new AzureMsiAttestor({ http, resourceId: resource_id || 'https://management.azure.com/' })
}

const gcpIitSchema = {
  identity_token_host: { type: 'string' },
  service_account: { type: 'string' },
} as const

function createGcpIit(data: Node | undefined, { http }: NodeAttestorSurroundings): NodeAttestor {
  const { identity_token_host, service_account } = decodeSection(gcpIitSchema, data)
  return new GcpIitAttestor({
    http,
    identityTokenHost: identity_token_host || 'metadata.google.internal',
    serviceAccount: service_account || 'default',
  })
}

const httpChallengeSchema = {
  hostname: { type: 'string' },
  agentname: { type: 'string' },
  port: { type: 'int' },
  advertised_port: { type: 'int' },
} as const

function createHttpChallenge(data: Node | undefined): NodeAttestor {
  const config = decodeSection(httpChallengeSchema, data)
  return new HttpChallengeAttestor({
    hostname: config.hostname || hostname(),
    agentName: config.agentname || 'default',
    port: config.port,
    advertisedPort: config.advertised_port || config.port,
  })
}

const k8sPsatSchema = { cluster: { type: 'string' }, token_path: { type: 'string' } } as const
const defaultTokenPath = '/var/run/secrets/tokens/spire-agent'

function createK8sPsat(data: Node | undefined): NodeAttestor {
  const { cluster, token_path } = decodeSection(k8sPsatSchema, data)
  if (cluster === '') throw new CatalogError('ERR_PLUGIN_CONFIG', 'missing required cluster block')
  return new K8sPsatAttestor({ cluster, tokenPath: token_path || defaultTokenPath })
}

const sshPopSchema = {
  host_key_path: { type: 'string' },
  host_cert_path: { type: 'string' },
} as const
const hostKey = '/etc/ssh/ssh_host_rsa_key'

async function createSshPop(data: Node | undefined): Promise<NodeAttestor> {
  const { host_key_path, host_cert_path } = decodeSection(sshPopSchema, data)
  return await SshPopAttestor.create({
    hostKeyPath: host_key_path || hostKey,
    hostCertificatePath: host_cert_path || `${hostKey}-cert.pub`,
  })
}

const tpmDevIdSchema = {
  devid_cert_path: { type: 'string' },
  devid_priv_path: { type: 'string' },
  devid_pub_path: { type: 'string' },
  devid_password: { type: 'string' },
  owner_hierarchy_password: { type: 'string' },
  endorsement_hierarchy_password: { type: 'string' },
  tpm_device_path: { type: 'string' },
} as const

async function createTpmDevId(data: Node | undefined): Promise<NodeAttestor> {
  const config = decodeSection(tpmDevIdSchema, data)
  for (const key of ['devid_cert_path', 'devid_priv_path', 'devid_pub_path'] as const) {
    if (config[key] !== '') continue
    throw new CatalogError('ERR_PLUGIN_CONFIG', `invalid configuration: ${key} is required`)
  }
  return await TpmDevIdAttestor.create({
    files: {
      certificatePath: config.devid_cert_path,
      privatePath: config.devid_priv_path,
      publicPath: config.devid_pub_path,
    },
    passwords: {
      devIdKey: Buffer.from(config.devid_password),
      ownerHierarchy: Buffer.from(config.owner_hierarchy_password),
      endorsementHierarchy: Buffer.from(config.endorsement_hierarchy_password),
    },
    devicePath: config.tpm_device_path,
    clock: systemClock,
  })
}
