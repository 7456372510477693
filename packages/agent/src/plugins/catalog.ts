import { readFile } from 'node:fs/promises'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { DiskKeyManager } from '@mini-spire/runtime/key-manager/disk/disk-key-manager'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import { grpcStatusFromKind, grpcStatusName } from '@mini-spire/sdk/grpc-status'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { CatalogError } from './catalog-error.ts'
import { JoinTokenAttestor } from './node-attestor/join-token/join-token.ts'
import type { NodeAttestor } from './node-attestor/node-attestor.ts'
import { type NodeCredential, X509PopAttestor } from './node-attestor/x509-pop/x509-pop.ts'
import {
  type AttestorSurroundings,
  workloadAttestorBuiltIns,
} from './workload-attestor/create-attestor.ts'
import type { WorkloadAttestor } from './workload-attestor/workload-attestor.ts'

/** What plugins get from their agent. */
export interface PluginSurroundings extends AttestorSurroundings {
  /** Replaces the configured node attestor when it is not empty. */
  readonly joinToken: string
}

/** The plugins of an agent, loaded and configured. */
export interface AgentPlugins {
  readonly keyManager: KeyManager
  readonly isKeyManagerInMemory: boolean
  readonly nodeAttestor: NodeAttestor
  readonly workloadAttestors: readonly WorkloadAttestor[]
}

type Load<Plugin> = (
  data: Node | undefined,
  surroundings: PluginSurroundings,
) => Plugin | Promise<Plugin>
type BuiltIns<Plugin> = ReadonlyMap<string, Load<Plugin>>

const keyManagers: BuiltIns<KeyManager> = new Map<string, Load<KeyManager>>([
  ['memory', () => Promise.resolve(new MemoryKeyManager())],
  ['disk', openDisk],
])
const nodeAttestors: BuiltIns<NodeAttestor> = new Map<string, Load<NodeAttestor>>([
  [
    'join_token',
    (_, { joinToken }) => Promise.resolve(new JoinTokenAttestor({ token: joinToken })),
  ],
  ['x509pop', createX509Pop],
])

/**
 * Loads and configures the enabled plugins.
 *
 * @throws {CatalogError} in SPIRE's words where SPIRE has some
 */
export async function loadPlugins(
  configs: readonly PluginConfig[],
  surroundings: PluginSurroundings,
): Promise<AgentPlugins> {
  const enabled = configs.filter((one) => one.isEnabled)
  const all = async <P>(type: string, builtIns: BuiltIns<P>): Promise<readonly P[]> => {
    const loaded: P[] = []
    for (const config of enabled)
      if (config.type === type) loaded.push(await load(config, builtIns, surroundings))
    return loaded
  }
  const keyManager = exactlyOne('KeyManager', await all('KeyManager', keyManagers))
  const configured = exactlyOne('NodeAttestor', await all('NodeAttestor', nodeAttestors))
  const attestors = await all('WorkloadAttestor', workloadAttestorBuiltIns)
  if (attestors.length === 0) throw badCount('WorkloadAttestor', 'at least 1', 0)
  const { joinToken } = surroundings
  return {
    keyManager,
    isKeyManagerInMemory: keyManager instanceof MemoryKeyManager,
    nodeAttestor: joinToken === '' ? configured : new JoinTokenAttestor({ token: joinToken }),
    workloadAttestors: attestors,
  }
}

function exactlyOne<P>(type: string, plugins: readonly P[]): P {
  const [plugin] = plugins
  if (plugins.length !== 1 || plugin === undefined)
    throw badCount(type, 'exactly 1', plugins.length)
  return plugin
}

function badCount(type: string, expected: string, got: number): CatalogError {
  const text = `plugin type "${type}" constraint not satisfied: expected ${expected} but got ${got}`
  return new CatalogError('ERR_PLUGIN_COUNT', text)
}

async function load<P>(
  config: PluginConfig,
  builtIns: BuiltIns<P>,
  surroundings: PluginSurroundings,
): Promise<P> {
  const { type, name } = config
  const builtIn = builtIns.get(name)
  if (config.command !== '' || !builtIn) {
    const text = `failed to load plugin "${name}": no built-in plugin "${name}" for type "${type}"`
    throw new CatalogError('ERR_PLUGIN_UNKNOWN', text)
  }
  try {
    const fields = { external: false, plugin_name: name, plugin_type: type }
    const log = surroundings.log.with(fields)
    const plugin = await builtIn(await dataOf(config), { ...surroundings, log })
    surroundings.log.info('Plugin loaded', fields)
    return plugin
  } catch (cause) {
    const kind = cause instanceof SpiffeError ? cause.kind : 'unknown'
    const code = grpcStatusName(grpcStatusFromKind(kind))
    const why = `rpc error: code = ${code} desc = ${messageOf(cause)}`
    throw new CatalogError('ERR_PLUGIN_CONFIG', `failed to configure plugin "${name}": ${why}`, {
      cause,
    })
  }
}

async function dataOf({ data, dataFile }: PluginConfig): Promise<Node | undefined> {
  if (dataFile === undefined) return data
  return parseConfig(await readFile(dataFile, 'utf8'))
}

const diskSchema = { directory: { type: 'string' } } as const

async function openDisk(data: Node | undefined): Promise<KeyManager> {
  const { directory } = decodeSection(diskSchema, data)
  if (directory === '') throw new CatalogError('ERR_PLUGIN_CONFIG', 'directory must be configured')
  return await DiskKeyManager.openDirectory(directory)
}

const x509PopSchema = {
  private_key_path: { type: 'string' },
  certificate_path: { type: 'string' },
  intermediates_path: { type: 'string' },
  spiffe_endpoint_socket: { type: 'string' },
} as const

async function createX509Pop(data: Node | undefined): Promise<NodeAttestor> {
  const config = decodeSection(x509PopSchema, data)
  const { private_key_path, certificate_path, intermediates_path, spiffe_endpoint_socket } = config
  if (spiffe_endpoint_socket !== '') {
    return await X509PopAttestor.create({
      kind: 'svid',
      fetch: (signal) => fetchCredential(spiffe_endpoint_socket, signal),
    })
  }
  if (private_key_path === '')
    throw new CatalogError('ERR_PLUGIN_CONFIG', 'private_key_path is required')
  if (certificate_path === '')
    throw new CatalogError('ERR_PLUGIN_CONFIG', 'certificate_path is required')
  return await X509PopAttestor.create({
    kind: 'files',
    privateKeyPath: private_key_path,
    certificatePath: certificate_path,
    intermediatesPath: intermediates_path,
  })
}

async function fetchCredential(address: string, signal: AbortSignal): Promise<NodeCredential> {
  using client = new WorkloadApiClient({ address })
  const { chain, privateKey } = await client.fetchX509Svid({ signal })
  return { chain: chain.map(({ raw }) => raw), privateKey }
}
