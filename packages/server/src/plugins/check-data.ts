import { readFileSync } from 'node:fs'
import { type Clock, systemClock } from '@mini-spire/runtime/clock'
import type { Node, ObjectItem } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Environment } from '@mini-spire/runtime/http/system-roots'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { pluginDataProblem } from '@mini-spire/runtime/plugin-host/plugin-data-problem'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { readDataStore } from '../config/data-store.ts'
import { readKeysPath } from './keys-path.ts'
import { readAwsIidConfig } from './node-attestor/aws-iid/aws-iid-config.ts'
import { readAzureImdsConfig } from './node-attestor/azure-imds/azure-imds-config.ts'
import { readAzureMsiConfig } from './node-attestor/azure-msi/azure-msi-config.ts'
import { readGcpIitConfig } from './node-attestor/gcp-iit/gcp-iit-config.ts'
import { readHttpChallengeConfig } from './node-attestor/http-challenge/http-challenge-config.ts'
import { readK8sPsatConfig } from './node-attestor/k8s-psat/k8s-psat-config.ts'
import { readSshPopConfig } from './node-attestor/ssh-pop/ssh-pop-config.ts'
import { readTpmDevIdConfig } from './node-attestor/tpm-devid/tpm-devid-config.ts'
import { readX509PopConfig } from './node-attestor/x509-pop/x509-pop-config.ts'
import { readDiskConfig } from './upstream-authority/disk/disk-config.ts'
import { readSpireConfig } from './upstream-authority/spire/spire-config.ts'
import { readVaultConfig } from './upstream-authority/vault/vault-config.ts'

/** What is wrong with the `plugin_data` of one plugin. */
export interface PluginDataProblem {
  readonly type: string
  readonly name: string
  readonly problem: string
}

/** What reading `plugin_data` may look at. */
export interface DataSurroundings {
  readonly trustDomain: TrustDomain
  readonly environment: Environment
}

type Read = (data: Node | undefined, surroundings: DataSurroundings) => unknown

const readers: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['DataStore sql', readDataStore],
  ['KeyManager disk', readKeysPath],
  ['NodeAttestor aws_iid', (data, { environment }) => readAwsIidConfig(data, environment)],
  ['NodeAttestor azure_imds', (data, known) => readAzureImdsConfig(data, unconnected(known))],
  ['NodeAttestor azure_msi', (data, known) => readAzureMsiConfig(data, unconnected(known))],
  ['NodeAttestor gcp_iit', (data, known) => readGcpIitConfig(data, unconnected(known))],
  ['NodeAttestor http_challenge', readHttpChallengeConfig],
  ['NodeAttestor k8s_psat', (data, known) => readK8sPsatConfig(data, unconnected(known))],
  [
    'NodeAttestor sshpop',
    (data, { trustDomain }) => readSshPopConfig(data, { trustDomain, clock: systemClock }),
  ],
  [
    'NodeAttestor tpm_devid',
    (data, { trustDomain }) => readTpmDevIdConfig(data, { trustDomain, clock: systemClock }),
  ],
  [
    'NodeAttestor x509pop',
    (data, { trustDomain }) =>
      readX509PopConfig(data, { trustDomain, clock: systemClock, ownRoots: () => [] }),
  ],
  ['UpstreamAuthority disk', readDiskConfig],
  ['UpstreamAuthority spire', readSpireConfig],
  ['UpstreamAuthority vault', (data, { environment }) => readVaultConfig(data, environment)],
])

/** What a server runs with, and SPIRE's `validate` refuses nevertheless. */
const notes: ReadonlyMap<string, (data: Node | undefined) => string | undefined> = new Map([
  ['NodeAttestor join_token', unknownSettings],
  [
    'NodeAttestor k8s_psat',
    (data) =>
      isWithoutClusters(data)
        ? 'No clusters configured, PSAT attestation is effectively disabled'
        : undefined,
  ],
])

function unknownSettings(data: Node | undefined): string | undefined {
  const keys = itemsOf(data).map(({ keys: [key] }) => key?.text ?? '')
  return keys.map((key) => `unknown setting ${quoteGo(key)} encountered`).join('\n\t\t')
}

function isWithoutClusters(data: Node | undefined): boolean {
  const { clusters } = decodeSection({ clusters: { type: 'section-map', fields: {} } }, data)
  return clusters.size === 0
}

function itemsOf(data: Node | undefined): readonly ObjectItem[] {
  if (data?.kind === 'object') return data.list.items
  return data?.kind === 'object-list' ? data.items : []
}

/** What a reader hands to the plugin that it does not make: nothing is asked before there is one. */
function unconnected({ environment }: DataSurroundings): {
  readonly http: HttpClient
  readonly clock: Clock
  readonly environment: Environment
} {
  const clock = systemClock
  return { http: new HttpClient({ environment, clock }), clock, environment }
}

/**
 * Reads the `plugin_data` or `plugin_data_file` of every enabled built-in plugin, with the files that it names, and says
 * what is wrong. Nothing is loaded, opened for writing or connected.
 */
export function checkPluginData(
  configs: readonly PluginConfig[],
  surroundings: DataSurroundings,
): readonly PluginDataProblem[] {
  return configs.flatMap((config) => {
    const { type, name, isEnabled, command } = config
    if (!isEnabled || command !== '') return []
    try {
      const data = dataOf(config)
      readers.get(`${type} ${name}`)?.(data, surroundings)
      const problem = notes.get(`${type} ${name}`)?.(data)
      return problem ? [{ type, name, problem }] : []
    } catch (error) {
      return [{ type, name, problem: problemOf(type, error) }]
    }
  })
}

/** Of a data store SPIRE says it twice: as its note, and as its error. */
function problemOf(type: string, error: unknown): string {
  if (type !== 'DataStore') return pluginDataProblem(error)
  return `${messageOf(error)}\n\t\t${messageOf(error)}`
}

function dataOf({ data, dataFile }: PluginConfig): Node | undefined {
  return dataFile === undefined ? data : parseConfig(readDataFile(dataFile))
}

function readDataFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const text = `failed to read plugin configuration: ${osErrorText('open', path, cause)}`
    throw new CatalogError('ERR_PLUGIN_DATA', text, { cause })
  }
}
