import { dirname, resolve } from 'node:path'
import { invalid } from '@mini-spire/runtime/config/resolve-daemon'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { AgentFile } from './agent-file.ts'
import type { BrokerConfig } from './resolved-config.ts'

type AgentKeys = AgentFile['agent']
type BrokerKeys = NonNullable<AgentKeys['experimental']['broker']>
type Broker = BrokerConfig['brokers'][number]

/**
 * The `experimental.broker` block, checked.
 *
 * @param publicSocket the Workload API's socket, below whose folder the broker's may not be
 * @throws {ConfigError}
 */
export function resolveBroker(
  agent: AgentKeys,
  publicSocket: string | undefined,
): BrokerConfig | undefined {
  const keys = agent.experimental.broker
  if (!keys) return undefined
  if (keys.socket_path === '' && keys.bind_address === '') {
    throw invalid('experimental.broker requires socket_path, bind_address, or both')
  }
  const socketPath = keys.socket_path === '' ? undefined : resolve(keys.socket_path)
  if (socketPath !== undefined && publicSocket !== undefined) {
    if (socketPath.startsWith(`${dirname(publicSocket)}/`)) {
      throw invalid(
        'broker socket cannot be in the same directory or a subdirectory as that containing the Workload API socket',
      )
    }
  }
  const bindAddress = keys.bind_address === '' ? undefined : parseBindAddress(keys.bind_address)
  if (keys.brokers.length === 0) throw invalid('at least one broker is required')
  checkIds(keys)
  return { socketPath, bindAddress, brokers: keys.brokers.map(resolveOne) }
}

function parseBindAddress(text: string): { readonly host: string; readonly port: number } {
  const failed = `invalid experimental.broker.bind_address ${quoteGo(text)}: address ${text}: `
  const [, host = '', port] = /^(.*):(\d+)$/.exec(text) ?? []
  if (port === undefined) throw invalid(`${failed}missing port in address`)
  if (Number(port) > 65_535) throw invalid(`${failed}invalid port`)
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

function checkIds(keys: BrokerKeys): void {
  const seen = new Set<string>()
  for (const [index, { id }] of keys.brokers.entries()) {
    if (id === '') throw invalid(`experimental.broker.brokers[${index}].id: must be specified`)
    if (seen.has(id)) throw invalid(`experimental.broker.brokers[${id}].id: duplicate broker id`)
    seen.add(id)
  }
}

function resolveOne(keys: BrokerKeys['brokers'][number]): Broker {
  const where = `experimental.broker.brokers[${keys.id}]`
  let id: SpiffeId
  try {
    id = SpiffeId.parse(keys.id)
  } catch (error) {
    throw invalid(`${where}.id: ${messageOf(error)}`)
  }
  const types = keys.allowed_reference_types
  if (types.length === 0) {
    throw invalid(`${where}.allowed_reference_types: must list at least one reference type URL`)
  }
  const allowedReferenceTypes = types.map(({ type_url, allow_over_tcp }, index) => {
    if (type_url === '') {
      throw invalid(`${where}.allowed_reference_types[${index}].type_url: must be specified`)
    }
    if (type_url === '*' && types.length !== 1) {
      throw invalid(
        `${where}.allowed_reference_types: wildcard "*" must be the only allowed reference type`,
      )
    }
    return { typeUrl: type_url, allowOverTcp: allow_over_tcp }
  })
  return { id, allowedReferenceTypes }
}
