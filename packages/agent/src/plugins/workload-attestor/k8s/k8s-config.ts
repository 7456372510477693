import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { durationMs } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded, SectionSchema } from '@mini-spire/runtime/config/schema'
import { serviceAccountFolder } from '@mini-spire/runtime/kubernetes/cluster-access'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { refuseSigstore, refuseUnknownKeys } from '../attestor-config.ts'
import { k8sBrokerSchema, readK8sBrokers } from './broker-config.ts'
import type { K8sAttestorOptions } from './k8s.ts'
import type { KubeletOptions } from './kubelet.ts'

const schema = {
  kubelet_read_only_port: { type: 'int' },
  kubelet_secure_port: { type: 'int' },
  disable_kubelet_client: { type: 'bool' },
  max_poll_attempts: { type: 'int' },
  poll_retry_interval: { type: 'string' },
  kubelet_ca_path: { type: 'string' },
  skip_kubelet_verification: { type: 'bool' },
  token_path: { type: 'string' },
  certificate_path: { type: 'string' },
  private_key_path: { type: 'string' },
  use_anonymous_authentication: { type: 'bool' },
  node_name_env: { type: 'string' },
  node_name: { type: 'string' },
  reload_interval: { type: 'string' },
  disable_container_selectors: { type: 'bool' },
  use_new_container_locator: { type: 'bool', optional: true },
  verbose_container_locator_logs: { type: 'bool' },
  enable_namespace_labels: { type: 'bool' },
  sigstore: { type: 'node' },
  experimental: {
    type: 'section',
    optional: true,
    fields: {
      api_server: {
        type: 'section',
        optional: true,
        fields: {
          cache: { type: 'section', optional: true, fields: { enabled: { type: 'bool' } } },
        },
      },
      broker: { type: 'section', optional: true, fields: k8sBrokerSchema },
    },
  },
} as const satisfies SectionSchema

type Keys = Decoded<typeof schema>

const defaults = {
  port: 10_250,
  attempts: 60,
  pollMs: 500,
  reloadMs: 60_000,
  nodeEnv: 'MY_NODE_NAME',
}

/** What `plugin_data` of the k8s attestor says. */
export interface K8sConfig {
  /** Undefined: `disable_kubelet_client`. */
  readonly kubelet: Omit<KubeletOptions, 'http' | 'clock'> | undefined
  readonly readsNamespaceLabels: boolean
  /** `experimental.api_server.cache`, which there is none of. */
  readonly wantsObjectCache: boolean
  readonly attestor: Pick<
    K8sAttestorOptions,
    | 'maxPollAttempts'
    | 'pollIntervalMs'
    | 'omitsContainerSelectors'
    | 'usesOldLocator'
    | 'isVerbose'
    | 'brokers'
  >
}

/**
 * Reads the k8s attestor's `plugin_data`.
 *
 * @throws {CatalogError} `ERR_PLUGIN_CONFIG`
 */
export function readK8sConfig(
  data: Node | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): K8sConfig {
  const keys = decodeSection(schema, data)
  const { experimental } = keys
  refuseUnknownKeys(keys, experimental, experimental?.api_server, experimental?.api_server?.cache)
  refuseSigstore(keys.sigstore)
  refuseUnknownKeys(experimental?.broker, ...(experimental?.broker?.brokers ?? []))
  if (keys.disable_kubelet_client) refuseKubeletKeys(keys)
  const pollIntervalMs = duration(keys.poll_retry_interval, 'poll retry') || defaults.pollMs
  const reloadIntervalMs = duration(keys.reload_interval, 'reload') || defaults.reloadMs
  const brokers =
    experimental?.broker && readK8sBrokers(experimental.broker, keys.disable_kubelet_client)
  const kubelet = readKubelet(keys, environment, reloadIntervalMs)
  return {
    kubelet: keys.disable_kubelet_client ? undefined : kubelet,
    readsNamespaceLabels: keys.enable_namespace_labels,
    wantsObjectCache: experimental?.api_server?.cache?.enabled ?? false,
    attestor: {
      maxPollAttempts: keys.max_poll_attempts > 0 ? keys.max_poll_attempts : defaults.attempts,
      pollIntervalMs,
      omitsContainerSelectors: keys.disable_container_selectors,
      usesOldLocator: keys.use_new_container_locator === false,
      isVerbose: keys.verbose_container_locator_logs,
      brokers,
    },
  }
}

function readKubelet(
  keys: Keys,
  environment: Readonly<Record<string, string | undefined>>,
  reloadIntervalMs: number,
): Omit<KubeletOptions, 'http' | 'clock'> {
  const { kubelet_read_only_port: readOnly, kubelet_secure_port: secure } = keys
  if (readOnly > 0 && secure > 0) throw refused('cannot use both the read-only and secure port')
  return {
    port: readOnly > 0 ? readOnly : secure > 0 ? secure : defaults.port,
    isSecure: readOnly <= 0,
    nodeName: keys.node_name || (environment[keys.node_name_env || defaults.nodeEnv] ?? ''),
    caPath: keys.skip_kubelet_verification
      ? undefined
      : keys.kubelet_ca_path || `${serviceAccountFolder}/ca.crt`,
    credential: credentialOf(keys, readOnly > 0),
    reloadIntervalMs,
  }
}

function credentialOf(keys: Keys, isReadOnly: boolean): KubeletOptions['credential'] {
  const { certificate_path: certificatePath, private_key_path: keyPath } = keys
  if (isReadOnly || keys.use_anonymous_authentication) return { kind: 'anonymous' }
  if (certificatePath !== '' && keyPath !== '') {
    return { kind: 'certificate', certificatePath, keyPath }
  }
  if (certificatePath !== '') {
    throw refused('the private key path is required with the certificate path')
  }
  if (keyPath !== '') throw refused('the certificate path is required with the private key path')
  return { kind: 'token', path: keys.token_path || `${serviceAccountFolder}/token` }
}

function refuseKubeletKeys(keys: Keys): void {
  const set: readonly (readonly [string, boolean])[] = [
    ['kubelet_read_only_port', keys.kubelet_read_only_port > 0],
    ['kubelet_secure_port', keys.kubelet_secure_port > 0],
    ['kubelet_ca_path', keys.kubelet_ca_path !== ''],
    ['skip_kubelet_verification', keys.skip_kubelet_verification],
    ['token_path', keys.token_path !== ''],
    ['certificate_path', keys.certificate_path !== ''],
    ['private_key_path', keys.private_key_path !== ''],
    ['use_anonymous_authentication', keys.use_anonymous_authentication],
    ['node_name_env', keys.node_name_env !== ''],
    ['node_name', keys.node_name !== ''],
    ['reload_interval', keys.reload_interval !== ''],
  ]
  const conflict = set.find(([, isSet]) => isSet)
  if (conflict) throw refused(`disable_kubelet_client cannot be used with ${conflict[0]}`)
}

function duration(text: string, what: string): number {
  return Math.max(0, text === '' ? 0 : durationMs(text, `unable to parse ${what} interval: `))
}

function refused(message: string): CatalogError {
  return new CatalogError('ERR_PLUGIN_CONFIG', message)
}
