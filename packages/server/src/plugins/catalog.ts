import { readFile } from 'node:fs/promises'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Environment } from '@mini-spire/runtime/http/system-roots'
import { DiskKeyManager } from '@mini-spire/runtime/key-manager/disk/disk-key-manager'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import { grpcStatusFromKind, grpcStatusName } from '@mini-spire/sdk/grpc-status'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Certificate } from '@mini-spire/sdk/x509'
import { CatalogError } from './catalog-error.ts'
import type { CredentialComposer } from './credential-composer/credential-composer.ts'
import type { NodeAttestor } from './node-attestor/node-attestor.ts'
import { X509PopAttestor } from './node-attestor/x509-pop/x509-pop.ts'
import { readX509PopConfig } from './node-attestor/x509-pop/x509-pop-config.ts'
import { DiskUpstreamAuthority } from './upstream-authority/disk/disk-authority.ts'
import { readDiskConfig } from './upstream-authority/disk/disk-config.ts'
import { SpireUpstreamAuthority } from './upstream-authority/spire/spire-authority.ts'
import { readSpireConfig } from './upstream-authority/spire/spire-config.ts'
import type { UpstreamAuthority } from './upstream-authority/upstream-authority.ts'
import { VaultUpstreamAuthority } from './upstream-authority/vault/vault-authority.ts'
import { readVaultConfig } from './upstream-authority/vault/vault-config.ts'

/** What plugins get from their server. */
export interface PluginSurroundings {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly log: Logger
  /** Roots of the server's own bundle as they are when asked. */
  readonly ownRoots: () => readonly Certificate[]
  /** Environment variables, where plugins read some. */
  readonly environment: Environment
}

/** The plugins of a server, loaded and configured. */
export interface ServerPlugins {
  readonly keyManager: KeyManager
  /** By the name under which agents ask for them; join tokens need no plugin. */
  readonly nodeAttestors: ReadonlyMap<string, NodeAttestor>
  /** Signs the server's CA certificates; undefined: it signs them itself. */
  readonly upstreamAuthority: UpstreamAuthority | undefined
  /** In the order in which they are asked. */
  readonly credentialComposers: readonly CredentialComposer[]
}

type Load<Plugin> = (data: Node | undefined, surroundings: PluginSurroundings) => Promise<Plugin>

const keyManagers: ReadonlyMap<string, Load<KeyManager>> = new Map<string, Load<KeyManager>>([
  ['memory', () => Promise.resolve(new MemoryKeyManager())],
  ['disk', openDisk],
])

const nodeAttestors: ReadonlyMap<string, Load<NodeAttestor | undefined>> = new Map<
  string,
  Load<NodeAttestor | undefined>
>([
  // Served by the Agent service itself, configured or not.
  ['join_token', () => Promise.resolve(undefined)],
  [
    'x509pop',
    (data, surroundings) =>
      Promise.resolve(new X509PopAttestor(readX509PopConfig(data, surroundings))),
  ],
])

const upstreamAuthorities: ReadonlyMap<string, Load<UpstreamAuthority>> = new Map<
  string,
  Load<UpstreamAuthority>
>([
  [
    'disk',
    (data, surroundings) =>
      DiskUpstreamAuthority.open({ ...surroundings, files: readDiskConfig(data) }),
  ],
  [
    'spire',
    (data, surroundings) =>
      Promise.resolve(
        new SpireUpstreamAuthority({ ...surroundings, server: readSpireConfig(data) }),
      ),
  ],
  ['vault', (data, surroundings) => Promise.resolve(openVault(data, surroundings))],
])

const credentialComposers: ReadonlyMap<string, Load<CredentialComposer>> = new Map()

/** Types whose plugins belong to the server but are not built in yet. */
const otherTypes = ['DataStore', 'BundlePublisher', 'Notifier']

/**
 * Loads and configures the enabled plugins, in the order of the file.
 *
 * @throws {CatalogError} in SPIRE's words where SPIRE has some
 */
export async function loadPlugins(
  configs: readonly PluginConfig[],
  surroundings: PluginSurroundings,
): Promise<ServerPlugins> {
  const attestors = new Map<string, NodeAttestor>()
  const managers: KeyManager[] = []
  const upstreams: UpstreamAuthority[] = []
  const composers: CredentialComposer[] = []
  for (const config of configs.filter((one) => one.isEnabled)) {
    switch (config.type) {
      case 'KeyManager':
        managers.push(await load(config, keyManagers, surroundings))
        break
      case 'NodeAttestor': {
        const attestor = await load(config, nodeAttestors, surroundings)
        if (attestor) attestors.set(attestor.name, attestor)
        break
      }
      case 'UpstreamAuthority':
        upstreams.push(await load(config, upstreamAuthorities, surroundings))
        break
      case 'CredentialComposer':
        composers.push(await load(config, credentialComposers, surroundings))
        break
      default:
        checkOtherType(config)
    }
  }
  const [keyManager, ...more] = managers
  if (!keyManager || more.length > 0)
    throw wrongCount('KeyManager', `exactly 1 but got ${managers.length}`)
  const [upstreamAuthority] = upstreams
  if (upstreams.length > 1)
    throw wrongCount('UpstreamAuthority', `at most 1 but got ${upstreams.length}`)
  return {
    keyManager,
    nodeAttestors: attestors,
    upstreamAuthority,
    credentialComposers: composers,
  }
}

function wrongCount(type: string, expected: string): CatalogError {
  const text = `plugin type "${type}" constraint not satisfied: expected ${expected}`
  return new CatalogError('ERR_PLUGIN_COUNT', text)
}

function checkOtherType({ type, name }: PluginConfig): void {
  if (!otherTypes.includes(type)) {
    throw new CatalogError('ERR_PLUGIN_UNKNOWN', `unsupported plugin type "${type}"`)
  }
  if (type !== 'DataStore') throw notBuiltIn(type, name)
}

function notBuiltIn(type: string, name: string): CatalogError {
  const text = `failed to load plugin "${name}": no built-in plugin "${name}" for type "${type}"`
  return new CatalogError('ERR_PLUGIN_UNKNOWN', text)
}

async function load<Plugin>(
  config: PluginConfig,
  builtIns: ReadonlyMap<string, Load<Plugin>>,
  surroundings: PluginSurroundings,
): Promise<Plugin> {
  const { type, name } = config
  const builtIn = builtIns.get(name)
  if (config.command !== '' || !builtIn) throw notBuiltIn(type, name)
  try {
    const plugin = await builtIn(await dataOf(config), surroundings)
    surroundings.log.info('Plugin loaded', {
      external: false,
      plugin_name: name,
      plugin_type: type,
    })
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

function openVault(
  data: Node | undefined,
  { environment, clock, log }: PluginSurroundings,
): UpstreamAuthority {
  const settings = readVaultConfig(data, environment)
  const http = new HttpClient({ environment, clock })
  return new VaultUpstreamAuthority({ settings, http, clock, log })
}

const diskSchema = { keys_path: { type: 'string' } } as const

async function openDisk(data: Node | undefined): Promise<KeyManager> {
  const { keys_path: path } = decodeSection(diskSchema, data)
  if (path === '') throw new CatalogError('ERR_PLUGIN_CONFIG', 'keys_path is required')
  return await DiskKeyManager.openFile(path)
}
