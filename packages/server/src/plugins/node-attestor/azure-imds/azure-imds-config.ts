import { readFileSync } from 'node:fs'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { type Certificate, parseCertificate, pemDecode } from '@mini-spire/sdk/x509'
import { misconfigured, wrapping } from '../attestor-errors.ts'
import type { AzureApplication } from '../azure-credentials.ts'
import { readAgentPathTemplate } from '../read-agent-path-template.ts'
import { AttestedDocuments } from './attested-document.ts'
import type { AzureImdsOptions } from './azure-imds.ts'
import { AzureTenant } from './azure-tenant.ts'
import { MicrosoftIssuers } from './microsoft-issuers.ts'
import { microsoftRoots } from './microsoft-roots.data.ts'

const schema = {
  tenants: {
    type: 'section-map',
    fields: {
      // SPIRE reads this key and does nothing with it.
      auth_type: { type: 'string' },
      secret_auth: {
        type: 'section',
        optional: true,
        fields: { app_id: { type: 'string' }, app_secret: { type: 'string' } },
      },
      token_auth: {
        type: 'section',
        optional: true,
        fields: { token_path: { type: 'string' }, app_id: { type: 'string' } },
      },
      allowed_vm_tags: { type: 'strings' },
      restrict_to_subscriptions: { type: 'strings' },
    },
  },
  agent_path_template: { type: 'string' },
  allowed_metadata_domains: { type: 'strings' },
  trust_bundle_path: { type: 'string' },
} as const

const defaultTemplate = '/{{ .PluginName }}/{{ .TenantID }}/{{ .SubscriptionID }}/{{ .VMID }}'
const defaultMetadataDomains: readonly string[] = ['metadata.azure.com']

/** What reaches Azure. */
export interface AzureImdsSurroundings {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
  /** PEM. @default Microsoft's */
  readonly roots?: readonly string[]
}

/**
 * Reads the `plugin_data` of azure_imds. Azure is not asked for anything before an agent attests.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it, with the tenant's domain in place of its ID
 */
export function readAzureImdsConfig(
  data: Node | undefined,
  surroundings: AzureImdsSurroundings,
): Omit<AzureImdsOptions, 'trustDomain'> {
  const { http, clock } = surroundings
  const config = decodeSection(schema, data)
  if (config.tenants.size === 0) throw misconfigured('configuration must have at least one tenant')
  const tenants = new Map<string, AzureTenant>()
  for (const [domain, keys] of config.tenants) {
    tenants.set(
      domain,
      new AzureTenant({
        ...surroundings,
        domain,
        application: readApplication(domain, keys),
        vmTags: keys.allowed_vm_tags,
        subscriptionIds: readSubscriptions(domain, keys.restrict_to_subscriptions),
      }),
    )
  }
  const domains = config.allowed_metadata_domains
  const { roots = microsoftRoots } = surroundings
  const path = config.trust_bundle_path
  return {
    tenants,
    agentPathTemplate: readAgentPathTemplate(config.agent_path_template || defaultTemplate, 'path'),
    documents: new AttestedDocuments({
      clock,
      issuers: new MicrosoftIssuers({ http, clock }),
      roots: [...roots.flatMap(readRoots), ...(path === '' ? [] : readTrustBundle(path))],
      metadataDomains: domains.length > 0 ? domains : defaultMetadataDomains,
    }),
  }
}

interface AuthKeys {
  readonly secret_auth: { readonly app_id: string; readonly app_secret: string } | undefined
  readonly token_auth: { readonly app_id: string; readonly token_path: string } | undefined
}

function readApplication(domain: string, keys: AuthKeys): AzureApplication | undefined {
  const { secret_auth: secretAuth, token_auth: tokenAuth } = keys
  if (secretAuth && tokenAuth) {
    throw tenantProblem(
      domain,
      'only one of secret_auth or token_auth may be specified in the config',
    )
  }
  if (tokenAuth) {
    const { app_id: id, token_path: tokenPath } = tokenAuth
    if (tokenPath === '') throw tenantProblem(domain, 'missing token file path')
    if (id === '') throw tenantProblem(domain, 'missing app id')
    return { id, tokenPath }
  }
  if (!secretAuth) return undefined
  const { app_id: id, app_secret: secret } = secretAuth
  if (id === '') throw tenantProblem(domain, 'missing app id')
  if (secret === '') throw tenantProblem(domain, 'missing app secret')
  return { id, secret }
}

function readSubscriptions(domain: string, given: readonly string[]): ReadonlySet<string> {
  const trimmed = given.map((one) => one.trim())
  if (!trimmed.includes('')) return new Set(trimmed)
  throw tenantProblem(domain, 'restrict_to_subscriptions entries must be non-empty')
}

function tenantProblem(domain: string, what: string): Error {
  return misconfigured(`misconfigured tenant ${quoteGo(domain)}: ${what}`)
}

/** Roots beside Microsoft's: a key of SPIRE's releases after 1.15.3. */
function readTrustBundle(path: string): readonly Certificate[] {
  const what = `unable to read trust bundle ${quoteGo(path)}`
  const found = wrapping(misconfigured, what, () => readRoots(readText(path)))
  if (found.length > 0 && found.every((one) => one.isCa)) return found
  throw misconfigured(`trust bundle ${quoteGo(path)} must hold certificates of authorities only`)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(osErrorText('open', path, cause), { cause })
  }
}

function readRoots(pem: string): readonly Certificate[] {
  return pemDecode(pem, 'CERTIFICATE').map((der) => parseCertificate(der))
}
