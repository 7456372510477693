import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import type { SectionSchema } from '@mini-spire/runtime/config/schema'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { refuseSigstore, refuseUnknownKeys } from '../attestor-config.ts'
import { addressProblem } from './container-engine.ts'
import { compileMatchers } from './container-id-matchers.ts'
import type { DockerAttestorOptions } from './docker.ts'
import { templateProblem } from './podman-sockets.ts'

const schema = {
  docker_socket_path: { type: 'string' },
  docker_version: { type: 'string' },
  container_id_cgroup_matchers: { type: 'strings' },
  use_new_container_locator: { type: 'bool', optional: true },
  verbose_container_locator_logs: { type: 'bool' },
  podman_socket_path: { type: 'string' },
  podman_socket_path_template: { type: 'string' },
  sigstore: { type: 'node' },
} as const satisfies SectionSchema

const defaults = {
  docker: 'unix:///var/run/docker.sock',
  podman: 'unix:///run/podman/podman.sock',
  podmanTemplate: 'unix:///run/user/%d/podman/podman.sock',
}

const matchersNeedTheOldLocator =
  'the new container locator and custom cgroup matchers cannot both be used; please open an issue if the new container locator fails to locate workload containers in your environment; to continue using custom matchers set use_new_container_locator=false'

/** What `plugin_data` of the docker attestor says. */
export type DockerConfig = Pick<
  DockerAttestorOptions,
  'dockerAddress' | 'dockerVersion' | 'podman' | 'findContainerId' | 'isVerbose'
>

/**
 * Reads the docker attestor's `plugin_data`.
 *
 * @param dockerHost `DOCKER_HOST` of the environment, used when no socket is named
 * @throws {CatalogError} `ERR_PLUGIN_CONFIG`, {@link WorkloadAttestorError} for matchers
 */
export function readDockerConfig(data: Node | undefined, dockerHost: string): DockerConfig {
  const config = decodeSection(schema, data)
  refuseUnknownKeys(config)
  refuseSigstore(config.sigstore)
  const matchers = config.container_id_cgroup_matchers
  if (matchers.length > 0 && config.use_new_container_locator !== false) {
    throw refused(matchersNeedTheOldLocator)
  }
  const rootlessTemplate = config.podman_socket_path_template || defaults.podmanTemplate
  const problem = templateProblem(rootlessTemplate)
  if (problem) throw refused(`invalid podman_socket_path_template: ${problem}`)
  const dockerAddress = config.docker_socket_path || dockerHost || defaults.docker
  const rootful = config.podman_socket_path || defaults.podman
  for (const address of [dockerAddress, rootful]) {
    const why = addressProblem(address)
    if (why) throw refused(why)
  }
  return {
    dockerAddress,
    dockerVersion: config.docker_version,
    podman: { rootful, rootlessTemplate },
    findContainerId: matchers.length > 0 ? compileMatchers(matchers) : undefined,
    isVerbose: config.verbose_container_locator_logs,
  }
}

function refused(message: string): CatalogError {
  return new CatalogError('ERR_PLUGIN_CONFIG', message)
}
