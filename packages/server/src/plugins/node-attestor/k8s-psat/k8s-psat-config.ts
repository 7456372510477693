import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { inClusterAccess } from '@mini-spire/runtime/kubernetes/cluster-access'
import { ExecCredentials } from '@mini-spire/runtime/kubernetes/exec-credentials'
import { kubeconfigAccess } from '@mini-spire/runtime/kubernetes/kubeconfig'
import { KubernetesClient } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import { misconfigured } from '../attestor-errors.ts'
import type { K8sPsatOptions, PsatCluster } from './k8s-psat.ts'

const schema = {
  clusters: {
    type: 'section-map',
    fields: {
      service_account_allow_list: { type: 'strings' },
      audience: { type: 'strings', optional: true },
      kube_config_file: { type: 'string' },
      allowed_node_label_keys: { type: 'strings' },
      allowed_pod_label_keys: { type: 'strings' },
      use_pod_uid_for_agent_id: { type: 'bool' },
    },
  },
} as const

/** An empty list is a choice of its own: whatever the API server takes. */
const defaultAudience: readonly string[] = ['spire-server']

/** What reaches a cluster. */
export interface PsatSurroundings {
  readonly http: HttpClient
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Reads the `plugin_data` of k8s_psat.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readK8sPsatConfig(
  data: Node | undefined,
  { http, clock, environment }: PsatSurroundings,
): Pick<K8sPsatOptions, 'clusters'> {
  const programs = new ExecCredentials({ clock, environment })
  const clusters = new Map<string, PsatCluster>()
  for (const [name, keys] of decodeSection(schema, data).clusters) {
    if (keys.service_account_allow_list.length === 0) {
      const rule = 'configuration must have at least one service account allowed'
      throw misconfigured(`cluster ${JSON.stringify(name)} ${rule}`)
    }
    const { kube_config_file: file } = keys
    clusters.set(name, {
      serviceAccounts: new Set(keys.service_account_allow_list),
      audiences: keys.audience ?? defaultAudience,
      nodeLabelKeys: keys.allowed_node_label_keys,
      podLabelKeys: keys.allowed_pod_label_keys,
      usesPodUid: keys.use_pod_uid_for_agent_id,
      connect: async () => {
        const access =
          file === '' ? await inClusterAccess(environment) : await kubeconfigAccess(file, programs)
        return new KubernetesClient({ http, access })
      },
    })
  }
  return { clusters }
}
