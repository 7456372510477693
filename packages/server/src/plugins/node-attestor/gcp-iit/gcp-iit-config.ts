import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { misconfigured } from '../attestor-errors.ts'
import { readAgentPathTemplate } from '../read-agent-path-template.ts'
import { fetchInstance } from './compute-instance.ts'
import type { GcpIitOptions } from './gcp-iit.ts'
import { GoogleKeys } from './google-keys.ts'

const schema = {
  projectid_allow_list: { type: 'strings' },
  agent_path_template: { type: 'string' },
  use_instance_metadata: { type: 'bool' },
  service_account_file: { type: 'string' },
  allowed_label_keys: { type: 'strings' },
  allowed_metadata_keys: { type: 'strings' },
  max_metadata_value_size: { type: 'int' },
} as const

const defaultTemplate = '/{{ .PluginName }}/{{ .ProjectID }}/{{ .InstanceID }}'
const defaultMaxMetadataValueBytes = 128
const certificatesUrl = 'https://www.googleapis.com/oauth2/v1/certs'

/** What reaches Google. */
export interface GcpIitSurroundings {
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Reads the `plugin_data` of gcp_iit.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readGcpIitConfig(
  data: Node | undefined,
  surroundings: GcpIitSurroundings,
): Omit<GcpIitOptions, 'trustDomain'> {
  const config = decodeSection(schema, data)
  if (config.projectid_allow_list.length === 0)
    throw misconfigured('projectid_allow_list is required')
  const serviceAccountFile = config.service_account_file
  return {
    clock: surroundings.clock,
    projectIds: new Set(config.projectid_allow_list),
    agentPathTemplate: readAgentPathTemplate(config.agent_path_template || defaultTemplate, 'path'),
    labelKeys: config.allowed_label_keys,
    metadataKeys: new Set(config.allowed_metadata_keys),
    maxMetadataValueBytes: config.max_metadata_value_size || defaultMaxMetadataValueBytes,
    keys: new GoogleKeys({ ...surroundings, url: certificatesUrl }),
    ...(config.use_instance_metadata && {
      fetchInstance: (name, signal) =>
        fetchInstance(name, { ...surroundings, serviceAccountFile, signal }),
    }),
  }
}
