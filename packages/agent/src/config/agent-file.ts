import type { Node, ObjectList } from '@mini-spire/runtime/config/ast'
import { healthChecksSchema, telemetrySchema } from '@mini-spire/runtime/config/daemon-schema'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { type Decoded, type UnknownKey, unknownKeys } from '@mini-spire/runtime/config/schema'
import { agentSchema } from './schema.ts'

/** An agent's configuration as given: zero values where nothing was. */
export interface AgentFile {
  readonly agent: Decoded<typeof agentSchema>
  readonly plugins: Node | undefined
  readonly telemetry: Decoded<typeof telemetrySchema>
  readonly healthChecks: Decoded<typeof healthChecksSchema>
  /** Unknown blocks beside these. */
  readonly [unknownKeys]: readonly UnknownKey[]
}

/** Top-level blocks of an agent's configuration file. */
export const agentFileKeys: readonly string[] = ['agent', 'plugins', 'telemetry', 'health_checks']

/**
 * Decodes a parsed configuration file.
 *
 * @throws {ConfigError} for a value of the wrong type
 */
export function decodeAgentFile(list: ObjectList): AgentFile {
  const file = decodeSection(
    {
      agent: { type: 'section', fields: agentSchema },
      plugins: { type: 'node' },
      telemetry: { type: 'section', fields: telemetrySchema },
      health_checks: { type: 'section', fields: healthChecksSchema },
    },
    list,
  )
  return {
    agent: file.agent,
    plugins: file.plugins,
    telemetry: file.telemetry,
    healthChecks: file.health_checks,
    [unknownKeys]: file[unknownKeys],
  }
}

/** What the flags of `run` and `validate` override; zero values override nothing. */
export interface AgentFlags {
  readonly dataDir: string
  readonly joinToken: string
  readonly joinTokenFile: string
  readonly logFile: string
  readonly logFormat: string
  readonly logLevel: string
  readonly logSourceLocation: boolean
  readonly serverAddress: string
  readonly serverPort: number
  readonly socketPath: string
  readonly trustBundle: string
  readonly trustBundleUrl: string
  readonly trustBundleFormat: string
  readonly trustDomain: string
  readonly insecureBootstrap: boolean
  readonly allowUnauthenticatedVerifiers: boolean
  readonly disableWorkloadAPI: boolean
  readonly disableSDSAPI: boolean
  readonly rebootstrapMode: string
  readonly rebootstrapDelay: string
}

/** Merges flags over the file over the defaults; a value is taken from the next only while it is zero. */
export function mergeAgent(file: AgentFile, flags: AgentFlags): AgentFile {
  const { agent } = file
  return {
    ...file,
    agent: {
      ...agent,
      data_dir: flags.dataDir || agent.data_dir || '.',
      join_token: flags.joinToken || agent.join_token,
      join_token_file: flags.joinTokenFile || agent.join_token_file,
      log_file: flags.logFile || agent.log_file,
      log_format: flags.logFormat || agent.log_format,
      log_level: flags.logLevel || agent.log_level || 'INFO',
      log_source_location: flags.logSourceLocation || agent.log_source_location,
      server_address: flags.serverAddress || agent.server_address,
      server_port: flags.serverPort || agent.server_port,
      socket_path: flags.socketPath || agent.socket_path || '/tmp/spire-agent/public/api.sock',
      trust_bundle_path: flags.trustBundle || agent.trust_bundle_path,
      trust_bundle_url: flags.trustBundleUrl || agent.trust_bundle_url,
      trust_bundle_format: flags.trustBundleFormat || agent.trust_bundle_format || 'pem',
      trust_domain: flags.trustDomain || agent.trust_domain,
      insecure_bootstrap: flags.insecureBootstrap || agent.insecure_bootstrap,
      allow_unauthenticated_verifiers:
        flags.allowUnauthenticatedVerifiers || agent.allow_unauthenticated_verifiers,
      disable_workload_api: flags.disableWorkloadAPI || agent.disable_workload_api,
      disable_sds_api: flags.disableSDSAPI || agent.disable_sds_api,
      rebootstrap_mode: flags.rebootstrapMode || agent.rebootstrap_mode,
      rebootstrap_delay: flags.rebootstrapDelay || agent.rebootstrap_delay,
      sds: {
        ...agent.sds,
        default_svid_name: agent.sds.default_svid_name || 'default',
        default_bundle_name: agent.sds.default_bundle_name || 'ROOTCA',
        default_all_bundles_name: agent.sds.default_all_bundles_name || 'ALL',
      },
    },
  }
}
