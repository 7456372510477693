import type { ContainerStatus, Pod } from './pod.ts'

/** The selector values that describe a pod. */
export function podSelectors(pod: Pod): readonly string[] {
  const { containers, initContainers } = pod
  return [
    `sa:${pod.serviceAccount}`,
    `ns:${pod.namespace}`,
    `node-name:${pod.nodeName}`,
    `pod-uid:${pod.uid}`,
    `pod-name:${pod.name}`,
    `pod-image-count:${containers.length}`,
    `pod-init-image-count:${initContainers.length}`,
    ...images(containers).map((image) => `pod-image:${image}`),
    ...images(initContainers).map((image) => `pod-init-image:${image}`),
    ...[...pod.labels].map(([key, value]) => `pod-label:${key}:${value}`),
    ...pod.owners.flatMap(({ kind, name, uid }) => [
      `pod-owner:${kind}:${name}`,
      `pod-owner-uid:${kind}:${uid}`,
    ]),
  ]
}

/** The selector values that describe the workload's own container. */
export function containerSelectors(status: ContainerStatus): readonly string[] {
  return [
    `container-name:${status.name}`,
    ...images([status]).map((image) => `container-image:${image}`),
  ]
}

/** Images by what they were named, and by digest: entries are written before the digest is known, and after. */
function images(statuses: readonly ContainerStatus[]): readonly string[] {
  return [...new Set(statuses.flatMap(({ imageId, image }) => [imageId, image]))]
}
