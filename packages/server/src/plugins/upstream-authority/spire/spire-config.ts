import { resolve } from 'node:path'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { pqKemReason } from '@mini-spire/runtime/config/refused-keys'
import { hasPqKem } from '@mini-spire/runtime/pq-kem'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'

const schema = {
  server_address: { type: 'string' },
  server_port: { type: 'string' },
  workload_api_socket: { type: 'string' },
  experimental: {
    type: 'section',
    fields: {
      workload_api_named_pipe_name: { type: 'string' },
      require_pq_kem: { type: 'bool' },
    },
  },
} as const

/** Where the upstream server is, and whose identity speaks to it. */
export interface UpstreamServerAddress {
  readonly address: string
  readonly port: number
  /** `unix://` and the absolute path of a Workload API socket. */
  readonly workloadApi: string
  /** Speaks to no server without a post-quantum key exchange. */
  readonly requiresPqKem: boolean
}

/**
 * Reads the `plugin_data` of `spire`.
 *
 * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CONFIG`, in SPIRE's words where it has some
 */
export function readSpireConfig(data: Node | undefined): UpstreamServerAddress {
  const config = decodeSection(schema, data)
  if (config.server_address === '') throw refused('server_address is required')
  if (config.server_port === '') throw refused('server_port is required')
  const { workload_api_named_pipe_name: pipe, require_pq_kem: requiresPqKem } = config.experimental
  if (pipe !== '')
    throw refused(
      'configuration: workload_api_named_pipe_name is not supported on this platform; please use workload_api_socket instead',
    )
  if (config.workload_api_socket === '') throw refused('workload_api_socket is required')
  if (requiresPqKem && !hasPqKem())
    throw refused(`experimental.require_pq_kem cannot be honoured: ${pqKemReason}`)
  return {
    address: config.server_address,
    port: readPort(config.server_port),
    workloadApi: `unix://${resolve(config.workload_api_socket)}`,
    requiresPqKem,
  }
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port === 0 || port > 65_535)
    throw refused(`server_port is not a port: ${JSON.stringify(text)}`)
  return port
}

function refused(message: string): UpstreamAuthorityError {
  return new UpstreamAuthorityError('ERR_UPSTREAM_CONFIG', message)
}
