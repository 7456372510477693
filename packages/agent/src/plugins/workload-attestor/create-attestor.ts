import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { objectIn, stringMap } from '@mini-spire/runtime/json-fields'
import { inClusterAccess } from '@mini-spire/runtime/kubernetes/cluster-access'
import { ExecCredentials } from '@mini-spire/runtime/kubernetes/exec-credentials'
import { kubeconfigAccess } from '@mini-spire/runtime/kubernetes/kubeconfig'
import { KubernetesClient } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { DockerAttestor } from './docker/docker.ts'
import { readDockerConfig } from './docker/docker-config.ts'
import { K8sAttestor, type K8sAttestorOptions } from './k8s/k8s.ts'
import { readK8sConfig } from './k8s/k8s-config.ts'
import { Kubelet } from './k8s/kubelet.ts'
import { SlurmAttestor } from './slurm/slurm.ts'
import { SystemdAttestor } from './systemd/systemd.ts'
import { UnixAttestor } from './unix/unix.ts'
import type { WorkloadAttestor } from './workload-attestor.ts'

/** What workload attestors get from their agent. */
export interface AttestorSurroundings {
  readonly clock: Clock
  readonly log: Logger
  readonly http: HttpClient
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The agent's own user ID. */
  readonly ownUid: number
}

type Create = (
  data: Node | undefined,
  surroundings: AttestorSurroundings,
) => WorkloadAttestor | Promise<WorkloadAttestor>

/** The built-in workload attestors, each made from its `plugin_data`. */
export const workloadAttestorBuiltIns: ReadonlyMap<string, Create> = new Map<string, Create>([
  ['docker', createDocker],
  ['k8s', createK8s],
  ['slurm', (_, surroundings) => new SlurmAttestor({ procPath: procPath(surroundings) })],
  ['systemd', createSystemd],
  ['unix', createUnix],
])

const defaultSystemBus = 'unix:path=/var/run/dbus/system_bus_socket'

function procPath({ environment }: AttestorSurroundings): string {
  return environment['HOST_PROC'] || '/proc'
}

const unixSchema = {
  discover_workload_path: { type: 'bool' },
  workload_size_limit: { type: 'int' },
} as const

function createUnix(data: Node | undefined, surroundings: AttestorSurroundings): WorkloadAttestor {
  const { discover_workload_path, workload_size_limit } = decodeSection(unixSchema, data)
  return new UnixAttestor({
    discoversPath: discover_workload_path,
    sizeLimitBytes: workload_size_limit,
    clock: surroundings.clock,
    procPath: procPath(surroundings),
    passwdPath: '/etc/passwd',
    groupPath: '/etc/group',
  })
}

function createDocker(
  data: Node | undefined,
  surroundings: AttestorSurroundings,
): WorkloadAttestor {
  const { http, clock, log, environment, ownUid } = surroundings
  const config = readDockerConfig(data, environment['DOCKER_HOST'] ?? '')
  if (config.findContainerId)
    log.warn(
      'Using the legacy container locator with custom cgroup matchers. This feature will be removed in a future release.',
    )
  return new DockerAttestor({
    ...config,
    http,
    clock,
    log,
    ownUid,
    procPath: procPath(surroundings),
  })
}

function createSystemd(
  _: Node | undefined,
  { environment, ownUid, clock }: AttestorSurroundings,
): WorkloadAttestor {
  const busAddress = environment['DBUS_SYSTEM_BUS_ADDRESS'] || defaultSystemBus
  return new SystemdAttestor({ busAddress, ownUid, clock })
}

async function createK8s(
  data: Node | undefined,
  surroundings: AttestorSurroundings,
): Promise<WorkloadAttestor> {
  const { clock, http, log, environment } = surroundings
  const programs = new ExecCredentials({ clock, environment })
  const config = readK8sConfig(data, environment)
  const { kubelet, readsNamespaceLabels, attestor } = config
  const opened = kubelet && (await Kubelet.open({ ...kubelet, http, clock }))
  const locator = attestor.usesOldLocator
    ? 'Using the legacy container locator. This option will be removed in a future release.'
    : 'Using the new container locator'
  log.log(attestor.usesOldLocator ? 'warning' : 'info', locator)
  if (config.wantsObjectCache) {
    log.warn('experimental.api_server.cache has no effect: the cluster is asked each time')
  }
  return new K8sAttestor({
    ...attestor,
    fetchPods: opened && (() => opened.fetchPods()),
    fetchNamespaceLabels: readsNamespaceLabels
      ? namespaceLabels(surroundings, programs)
      : undefined,
    openCluster: () => openCluster(surroundings, programs),
    procPath: procPath(surroundings),
    clock,
    log,
  })
}

/** Asks the API server for a namespace. */
function namespaceLabels(
  surroundings: AttestorSurroundings,
  programs: ExecCredentials,
): NonNullable<K8sAttestorOptions['fetchNamespaceLabels']> {
  return async (namespace, signal) => {
    const client = await openCluster(surroundings, programs)
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`
    return stringMap(
      objectIn(objectIn(await client.request({ path, signal }), 'metadata'), 'labels'),
    )
  }
}

/** The cluster's API server; it is looked for when the first workload needs it. */
async function openCluster(
  { http, environment }: AttestorSurroundings,
  programs: ExecCredentials,
): Promise<KubernetesClient> {
  const { KUBECONFIG } = environment
  const access = KUBECONFIG
    ? await kubeconfigAccess(KUBECONFIG, programs)
    : await inClusterAccess(environment)
  return new KubernetesClient({ http, access })
}
