import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { DiskKeyManager } from '@mini-spire/runtime/key-manager/disk/disk-key-manager'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import type { ExternalPlugin } from '@mini-spire/runtime/plugin-host/external-plugin'
import type { HostService } from '@mini-spire/runtime/plugin-host/host-services'
import { PluginLoader } from '@mini-spire/runtime/plugin-host/plugin-loader'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'
import { ExternalNodeAttestor, nodeAttestorService } from './external/node-attestor-client.ts'
import { ExternalSvidStore, svidStoreService } from './external/svid-store-client.ts'
import {
  ExternalWorkloadAttestor,
  workloadAttestorService,
} from './external/workload-attestor-client.ts'
import { nodeAttestorBuiltIns } from './node-attestor/built-ins.ts'
import { JoinTokenAttestor } from './node-attestor/join-token/join-token.ts'
import type { NodeAttestor } from './node-attestor/node-attestor.ts'
import { type NodeCredential, X509PopAttestor } from './node-attestor/x509-pop/x509-pop.ts'
import type { SvidStore } from './svid-store/svid-store.ts'
import {
  type AttestorSurroundings,
  workloadAttestorBuiltIns,
} from './workload-attestor/create-attestor.ts'
import type { WorkloadAttestor } from './workload-attestor/workload-attestor.ts'

/** What plugins get from their agent. */
export interface PluginSurroundings extends AttestorSurroundings {
  readonly trustDomain: TrustDomain
  /** Replaces the configured node attestor when it is not empty. */
  readonly joinToken: string
  /** What external plugins may call. They inherit the environment. */
  readonly hostServices: readonly HostService[]
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
}

/** The plugins of an agent, loaded and configured. Disposing them unloads them. */
export interface AgentPlugins extends AsyncDisposable {
  readonly keyManager: KeyManager
  readonly isKeyManagerInMemory: boolean
  readonly nodeAttestor: NodeAttestor
  readonly workloadAttestors: readonly WorkloadAttestor[]
  /** By name: the type of the selectors of entries whose SVIDs they store. */
  readonly svidStores: ReadonlyMap<string, SvidStore>
  /** Configures the plugins anew whose `plugin_data_file` has changed. */
  reconfigure(): Promise<void>
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
  ...nodeAttestorBuiltIns,
])

interface PluginType<Plugin> {
  readonly type: string
  readonly builtIns: BuiltIns<Plugin>
  readonly service: string
  readonly adapt: (plugin: ExternalPlugin) => Plugin
}

/**
 * A key manager in another process cannot be used: the agent's TLS client needs a key that this process holds. It is
 * refused before anything is loaded; see the agent's plugin kinds.
 */
const keyManagerType: PluginType<KeyManager> = {
  type: 'KeyManager',
  builtIns: keyManagers,
  service: 'spire.plugin.agent.keymanager.v1.KeyManager',
  adapt: ({ name }) => {
    const text = `failed to load plugin "${name}": an agent's key manager has to be built in`
    throw new CatalogError('ERR_PLUGIN_UNKNOWN', text)
  },
}
const nodeAttestorType: PluginType<NodeAttestor> = {
  type: 'NodeAttestor',
  builtIns: nodeAttestors,
  service: nodeAttestorService,
  adapt: (plugin) => new ExternalNodeAttestor(plugin),
}
const workloadAttestorType: PluginType<WorkloadAttestor> = {
  type: 'WorkloadAttestor',
  builtIns: workloadAttestorBuiltIns,
  service: workloadAttestorService,
  adapt: (plugin) => new ExternalWorkloadAttestor(plugin),
}

const svidStoreType: PluginType<SvidStore> = {
  type: 'SVIDStore',
  builtIns: new Map(),
  service: svidStoreService,
  adapt: (plugin) => new ExternalSvidStore(plugin),
}

/**
 * Loads and configures the enabled plugins.
 *
 * @throws {CatalogError} in SPIRE's words where SPIRE has some
 */
export async function loadPlugins(
  configs: readonly PluginConfig[],
  surroundings: PluginSurroundings,
): Promise<AgentPlugins> {
  const { trustDomain, ...options } = surroundings
  const loader = new PluginLoader({ ...options, trustDomain: trustDomain.name })
  try {
    return await loadAll(configs, loader, surroundings)
  } catch (error) {
    await loader[Symbol.asyncDispose]()
    throw error
  }
}

async function loadAll(
  configs: readonly PluginConfig[],
  loader: PluginLoader,
  surroundings: PluginSurroundings,
): Promise<AgentPlugins> {
  const load = async <P extends object>(type: PluginType<P>, config: PluginConfig): Promise<P> => {
    const builtIn = type.builtIns.get(config.name)
    const create =
      builtIn && ((data: Node | undefined, log: Logger) => builtIn(data, { ...surroundings, log }))
    return await loader.load(config, { create, external: type })
  }
  const all = async <P extends object>(type: PluginType<P>): Promise<readonly P[]> => {
    const loaded: P[] = []
    for (const config of configs)
      if (config.isEnabled && config.type === type.type) loaded.push(await load(type, config))
    return loaded
  }
  const keyManager = exactlyOne('KeyManager', await all(keyManagerType))
  const configured = exactlyOne('NodeAttestor', await all(nodeAttestorType))
  const attestors = await all(workloadAttestorType)
  if (attestors.length === 0) throw badCount('WorkloadAttestor', 'at least 1', 0)
  const stores = await all(svidStoreType)
  const { joinToken } = surroundings
  return {
    keyManager,
    isKeyManagerInMemory: keyManager instanceof MemoryKeyManager,
    nodeAttestor: joinToken === '' ? configured : new JoinTokenAttestor({ token: joinToken }),
    workloadAttestors: attestors,
    svidStores: new Map(stores.map((store) => [store.name, store])),
    reconfigure: () => loader.reconfigure(),
    [Symbol.asyncDispose]: () => loader[Symbol.asyncDispose](),
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
