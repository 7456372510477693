import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { parseGoDuration } from '@mini-spire/runtime/config/go-duration'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { messageOf } from '@mini-spire/sdk/errors'
import type { AgentPathTemplate } from '../agent-path-template.ts'
import { misconfigured } from '../attestor-errors.ts'
import { readAgentPathTemplate } from '../read-agent-path-template.ts'
import { readAccountListFile } from './account-list-file.ts'
import type { AwsSdkApiOptions } from './aws-sdk-api.ts'

const schema = {
  access_key_id: { type: 'string' },
  secret_access_key: { type: 'string' },
  assume_role: { type: 'string' },
  partition: { type: 'string' },
  skip_block_device: { type: 'bool' },
  disable_instance_profile_selectors: { type: 'bool' },
  account_ids_for_local_validation: { type: 'strings' },
  agent_path_template: { type: 'string' },
  verify_organization: {
    type: 'section',
    optional: true,
    fields: {
      management_account_id: { type: 'string' },
      assume_org_role: { type: 'string' },
      management_account_region: { type: 'string' },
      org_account_map_ttl: { type: 'string' },
      account_list_file: { type: 'string' },
    },
  },
  validate_eks_cluster_membership: {
    type: 'section',
    optional: true,
    fields: { eks_cluster_names: { type: 'strings' } },
  },
} as const

const defaultTemplate = '/{{ .PluginName}}/{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}'
const partitions: readonly string[] = ['aws', 'aws-cn', 'aws-us-gov']
const defaultManagementRegion = 'us-west-2'
const defaultOrganizationTtlMs = 180_000
const minOrganizationTtlMs = 60_000

/** What `plugin_data` of aws_iid says. */
export interface AwsIidConfig
  extends Pick<AwsSdkApiOptions, 'partition' | 'accessKey' | 'assumeRole' | 'management'> {
  readonly agentPathTemplate: AgentPathTemplate
  readonly isNamedByTags: boolean
  readonly locallyValidAccounts: ReadonlySet<string>
  readonly skipsBlockDevice: boolean
  readonly skipsInstanceProfile: boolean
  readonly organization:
    | {
        readonly ttlMs: number
        /** Empty: AWS is asked. */
        readonly accountListFile: string
      }
    | undefined
  /** Undefined: instances of any cluster or none. */
  readonly clusterNames: readonly string[] | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the `plugin_data` of aws_iid.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readAwsIidConfig(data: Node | undefined, environment: Environment): AwsIidConfig {
  const config = decodeSection(schema, data)
  const accessKey = readAccessKey(config, environment)
  const template = config.agent_path_template
  const agentPathTemplate = readAgentPathTemplate(template || defaultTemplate, 'svid')
  const partition = config.partition || 'aws'
  if (!partitions.includes(partition)) {
    throw misconfigured(
      `invalid partition ${quoteGo(partition)}, must be one of: [${partitions.join(' ')}]`,
    )
  }
  const organization = config.verify_organization
  return {
    accessKey,
    partition,
    assumeRole: config.assume_role,
    agentPathTemplate,
    isNamedByTags: template.includes('.Tags'),
    locallyValidAccounts: new Set(config.account_ids_for_local_validation),
    skipsBlockDevice: config.skip_block_device,
    skipsInstanceProfile: config.disable_instance_profile_selectors,
    ...readOrganization(organization),
    clusterNames: config.validate_eks_cluster_membership?.eks_cluster_names,
  }
}

/** Keys that the environment holds are the SDK's to find, with the session token that may stand beside them. */
function readAccessKey(
  keys: { readonly access_key_id: string; readonly secret_access_key: string },
  environment: Environment,
): AwsIidConfig['accessKey'] {
  const accessKeyId = keys.access_key_id || (environment['AWS_ACCESS_KEY_ID'] ?? '')
  const secretAccessKey = keys.secret_access_key || (environment['AWS_SECRET_ACCESS_KEY'] ?? '')
  if (accessKeyId !== '' && secretAccessKey === '') {
    throw stated('configuration missing secret access key, but has access key id')
  }
  if (accessKeyId === '' && secretAccessKey !== '') {
    throw stated('configuration missing access key id, but has secret access key')
  }
  const isConfigured = keys.access_key_id !== '' || keys.secret_access_key !== ''
  return isConfigured ? { accessKeyId, secretAccessKey } : undefined
}

function readOrganization(
  keys:
    | {
        readonly management_account_id: string
        readonly assume_org_role: string
        readonly management_account_region: string
        readonly org_account_map_ttl: string
        readonly account_list_file: string
      }
    | undefined,
): Pick<AwsIidConfig, 'organization' | 'management'> {
  if (!keys) return { organization: undefined, management: undefined }
  const { management_account_id: accountId, assume_org_role: role } = keys
  const accountListFile = keys.account_list_file
  const block = quoteGo('verify_organization')
  if (accountListFile !== '') {
    if (accountId !== '' || role !== '') {
      throw stated(
        `"account_list_file" is mutually exclusive with "management_account_id" and "assume_org_role" in the block: ${block}`,
      )
    }
    checkAccountListFile(accountListFile, block)
    const ttlMs = readOrganizationTtl(keys.org_account_map_ttl, block)
    return { organization: { ttlMs, accountListFile }, management: undefined }
  }
  if (accountId === '' || role === '') {
    throw stated(
      `please ensure that "management_account_id" & "assume_org_role" are present inside block or remove the block: ${block} for feature node attestation using account id verification`,
    )
  }
  const ttlMs = readOrganizationTtl(keys.org_account_map_ttl, block)
  const region = keys.management_account_region || defaultManagementRegion
  return {
    organization: { ttlMs, accountListFile },
    management: { accountId, region, role },
  }
}

/** A file that is missing or malformed keeps the server from starting. */
function checkAccountListFile(path: string, block: string): void {
  try {
    readAccountListFile(path)
  } catch (cause) {
    throw stated(`invalid "account_list_file" in the block: ${block}: ${messageOf(cause)}`, cause)
  }
}

function readOrganizationTtl(text: string, block: string): number {
  if (text === '') return defaultOrganizationTtlMs
  const key = '"org_account_map_ttl"'
  const parsed = parseGoDuration(text)
  if ('problem' in parsed) {
    throw stated(
      `please ensure that ${key} if configured, it should be in duration and is suffixed with required 'm' for time duration in minute ex. '5m'. Otherwise, remove the: ${key}, in the block: ${block}. Default TTL will be: "3m"`,
    )
  }
  if (parsed.ms < minOrganizationTtlMs) {
    throw stated(
      `please ensure that ${key} if configured, it should be greater than or equal to "1m". Otherwise remove the: ${key}, in the block: ${block}. Default TTL will be: "3m"`,
    )
  }
  return parsed.ms
}

/** SPIRE's texts hold one status inside another. */
function stated(message: string, cause?: unknown): Error {
  return misconfigured(`rpc error: code = InvalidArgument desc = ${message}`, cause)
}
