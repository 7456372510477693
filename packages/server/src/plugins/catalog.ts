import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { printHcl } from '@mini-spire/runtime/config/print'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Environment } from '@mini-spire/runtime/http/system-roots'
import { DiskKeyManager } from '@mini-spire/runtime/key-manager/disk/disk-key-manager'
import type { KeyManager } from '@mini-spire/runtime/key-manager/key-manager'
import { MemoryKeyManager } from '@mini-spire/runtime/key-manager/memory/memory-key-manager'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import type { HostService } from '@mini-spire/runtime/plugin-host/host-services'
import { PluginLoader, type PluginSource } from '@mini-spire/runtime/plugin-host/plugin-loader'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { Certificate } from '@mini-spire/sdk/x509'
import type { BundlePublisher } from './bundle-publisher/bundle-publisher.ts'
import type { CredentialComposer } from './credential-composer/credential-composer.ts'
import { UniqueIdComposer } from './credential-composer/unique-id/unique-id.ts'
import { externalTypes } from './external/plugin-types.ts'
import { readKeysPath } from './keys-path.ts'
import { nodeAttestorBuiltIns } from './node-attestor/built-ins.ts'
import type { NodeAttestor } from './node-attestor/node-attestor.ts'
import { X509PopAttestor } from './node-attestor/x509-pop/x509-pop.ts'
import { readX509PopConfig } from './node-attestor/x509-pop/x509-pop-config.ts'
import type { Notifier } from './notifier/notifier.ts'
import { DiskUpstreamAuthority } from './upstream-authority/disk/disk-authority.ts'
import { readDiskConfig } from './upstream-authority/disk/disk-config.ts'
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
  /** What external plugins may call. */
  readonly hostServices: readonly HostService[]
  /** Environment variables: external plugins inherit them, and others read some. */
  readonly environment: Environment
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
}

/** The plugins of a server, loaded and configured. Disposing them unloads them. */
export interface ServerPlugins extends AsyncDisposable {
  readonly keyManager: KeyManager
  /** By the name under which agents ask for them; join tokens need no plugin. */
  readonly nodeAttestors: ReadonlyMap<string, NodeAttestor>
  /** Signs the server's CA certificates; undefined: it signs them itself. */
  readonly upstreamAuthority: UpstreamAuthority | undefined
  /** In the order in which they are asked. */
  readonly credentialComposers: readonly CredentialComposer[]
  readonly notifiers: readonly Notifier[]
  readonly bundlePublishers: readonly BundlePublisher[]
  /** Configures the plugins anew whose `plugin_data_file` has changed. */
  reconfigure(): Promise<void>
}

type Load<Plugin> = (data: Node | undefined, surroundings: PluginSurroundings) => Promise<Plugin>

const keyManagers: ReadonlyMap<string, Load<KeyManager>> = new Map<string, Load<KeyManager>>([
  ['memory', () => Promise.resolve(new MemoryKeyManager())],
  ['disk', openDisk],
])

const nodeAttestors: ReadonlyMap<string, Load<NodeAttestor>> = new Map<string, Load<NodeAttestor>>([
  [
    'x509pop',
    (data, surroundings) =>
      Promise.resolve(new X509PopAttestor(readX509PopConfig(data, surroundings))),
  ],
  ...nodeAttestorBuiltIns,
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
    async (data, surroundings) => {
      const server = readSpireConfig(data)
      // It brings a gRPC client, which most servers do without.
      const { SpireUpstreamAuthority } = await import(
        './upstream-authority/spire/spire-authority.ts'
      )
      return new SpireUpstreamAuthority({ ...surroundings, server })
    },
  ],
  ['vault', (data, surroundings) => Promise.resolve(openVault(data, surroundings))],
])

const notConfigurable = 'no supported configuration interface found'

const credentialComposers: ReadonlyMap<string, Load<CredentialComposer>> = new Map([
  [
    'uniqueid',
    (data) => {
      if (printHcl(data) !== '') throw new CatalogError('ERR_PLUGIN_LOAD', notConfigurable)
      return Promise.resolve(new UniqueIdComposer())
    },
  ],
])

/** Served by the Agent service itself, configured or not: there is nothing to load. */
const joinToken = 'join_token'

/**
 * Loads and configures the enabled plugins, in the order of the file.
 *
 * @throws {CatalogError} in SPIRE's words where SPIRE has some
 */
export async function loadPlugins(
  configs: readonly PluginConfig[],
  surroundings: PluginSurroundings,
): Promise<ServerPlugins> {
  const { trustDomain, ...options } = surroundings
  const loader = new PluginLoader({ ...options, trustDomain: trustDomain.name })
  try {
    const loading = new Loading(loader, surroundings)
    for (const config of configs) if (config.isEnabled) await loading.add(config)
    return loading.finish()
  } catch (error) {
    await loader[Symbol.asyncDispose]()
    throw error
  }
}

/** The plugins that have been loaded so far. */
class Loading {
  readonly #loader: PluginLoader
  readonly #surroundings: PluginSurroundings
  readonly #keyManagers: KeyManager[] = []
  readonly #nodeAttestors = new Map<string, NodeAttestor>()
  readonly #upstreamAuthorities: UpstreamAuthority[] = []
  readonly #credentialComposers: CredentialComposer[] = []
  readonly #notifiers: Notifier[] = []
  readonly #bundlePublishers: BundlePublisher[] = []

  constructor(loader: PluginLoader, surroundings: PluginSurroundings) {
    this.#loader = loader
    this.#surroundings = surroundings
  }

  async add(config: PluginConfig): Promise<void> {
    const { keyManager, nodeAttestor, upstreamAuthority, ...types } = externalTypes
    const { credentialComposer, notifier, bundlePublisher } = types
    switch (config.type) {
      case 'KeyManager':
        this.#keyManagers.push(await this.#load(config, keyManagers, keyManager))
        break
      case 'NodeAttestor':
        if (config.name === joinToken) this.#loader.noteBuiltIn(config)
        else {
          const attestor = await this.#load(config, nodeAttestors, nodeAttestor)
          this.#nodeAttestors.set(config.name, attestor)
        }
        break
      case 'UpstreamAuthority': {
        const upstream = await this.#load(config, upstreamAuthorities, upstreamAuthority)
        this.#upstreamAuthorities.push(upstream)
        break
      }
      case 'CredentialComposer': {
        const composer = await this.#load(config, credentialComposers, credentialComposer)
        this.#credentialComposers.push(composer)
        break
      }
      case 'Notifier':
        this.#notifiers.push(await this.#load(config, new Map(), notifier))
        break
      case 'BundlePublisher':
        this.#bundlePublishers.push(await this.#load(config, new Map(), bundlePublisher))
        break
      case 'DataStore':
        break
      default:
        throw new CatalogError('ERR_PLUGIN_UNKNOWN', `unsupported plugin type "${config.type}"`)
    }
  }

  finish(): ServerPlugins {
    const [keyManager, ...more] = this.#keyManagers
    if (!keyManager || more.length > 0)
      throw wrongCount('KeyManager', `exactly 1 but got ${this.#keyManagers.length}`)
    const [upstreamAuthority, ...others] = this.#upstreamAuthorities
    if (others.length > 0)
      throw wrongCount('UpstreamAuthority', `at most 1 but got ${others.length + 1}`)
    const loader = this.#loader
    return {
      keyManager,
      nodeAttestors: this.#nodeAttestors,
      upstreamAuthority,
      credentialComposers: this.#credentialComposers,
      notifiers: this.#notifiers,
      bundlePublishers: this.#bundlePublishers,
      reconfigure: () => loader.reconfigure(),
      [Symbol.asyncDispose]: () => loader[Symbol.asyncDispose](),
    }
  }

  #load<P extends object>(
    config: PluginConfig,
    loads: ReadonlyMap<string, Load<P>>,
    external: PluginSource<P>['external'],
  ): Promise<P> {
    const load = loads.get(config.name)
    const surroundings = this.#surroundings
    const create =
      load && ((data: Node | undefined, log: Logger) => load(data, { ...surroundings, log }))
    return this.#loader.load(config, { create, external })
  }
}

function wrongCount(type: string, expected: string): CatalogError {
  const text = `plugin type "${type}" constraint not satisfied: expected ${expected}`
  return new CatalogError('ERR_PLUGIN_COUNT', text)
}

async function openDisk(data: Node | undefined): Promise<KeyManager> {
  return await DiskKeyManager.openFile(readKeysPath(data))
}

function openVault(
  data: Node | undefined,
  { environment, clock, log }: PluginSurroundings,
): UpstreamAuthority {
  const settings = readVaultConfig(data, environment)
  const http = new HttpClient({ environment, clock })
  return new VaultUpstreamAuthority({ settings, http, clock, log })
}
