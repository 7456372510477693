import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { misconfigured } from '../attestor-errors.ts'
import { readAgentPathTemplate } from '../read-agent-path-template.ts'
import { AzureKeys } from './azure-keys.ts'
import type { AzureMsiOptions, AzureTenant } from './azure-msi.ts'
import { AzureResources } from './azure-resources.ts'

const schema = {
  tenants: {
    type: 'section-map',
    fields: {
      resource_id: { type: 'string' },
      subscription_id: { type: 'string' },
      app_id: { type: 'string' },
      app_secret: { type: 'string' },
    },
  },
  agent_path_template: { type: 'string' },
} as const

const defaultResourceId = 'https://management.azure.com/'
const defaultTemplate = '/{{ .PluginName }}/{{ .TenantID }}/{{ .PrincipalID }}'
const configurationUrl = 'https://login.microsoftonline.com/common/.well-known/openid-configuration'

/** What reaches Azure. */
export interface AzureMsiSurroundings {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Reads the `plugin_data` of azure_msi. Azure is not asked for anything before an agent attests.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readAzureMsiConfig(
  data: Node | undefined,
  surroundings: AzureMsiSurroundings,
): Omit<AzureMsiOptions, 'trustDomain'> {
  const config = decodeSection(schema, data)
  if (config.tenants.size === 0) throw misconfigured('configuration must have at least one tenant')
  const tenants = new Map<string, AzureTenant>()
  for (const [tenantId, keys] of config.tenants) {
    const { resource_id: resourceId, subscription_id: subscriptionId } = keys
    const application = readApplication(tenantId, keys)
    tenants.set(tenantId, {
      resourceId: resourceId || defaultResourceId,
      resources: new AzureResources({ ...surroundings, tenantId, subscriptionId, application }),
    })
  }
  return {
    clock: surroundings.clock,
    tenants,
    agentPathTemplate: readAgentPathTemplate(config.agent_path_template || defaultTemplate, 'path'),
    keys: new AzureKeys({ ...surroundings, configurationUrl }),
  }
}

function readApplication(
  tenantId: string,
  keys: {
    readonly subscription_id: string
    readonly app_id: string
    readonly app_secret: string
  },
): { readonly id: string; readonly secret: string } | undefined {
  const { subscription_id: subscription, app_id: id, app_secret: secret } = keys
  if (subscription === '' && id === '' && secret === '') return undefined
  const missing = (what: string): Error =>
    misconfigured(`misconfigured tenant ${quoteGo(tenantId)}: missing ${what}`)
  if (subscription === '') throw missing('subscription id')
  if (id === '') throw missing('app id')
  if (secret === '') throw missing('app secret')
  return { id, secret }
}
