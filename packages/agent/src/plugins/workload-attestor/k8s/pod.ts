import { listIn, objectIn, stringIn, stringMap } from '@mini-spire/runtime/json-fields'

/** What the kubelet says of a container. */
export interface ContainerStatus {
  readonly name: string
  /** 64 hexadecimal digits, without the runtime's scheme; empty: not started. */
  readonly containerId: string
  readonly image: string
  readonly imageId: string
}

/** Who made a pod. */
export interface OwnerReference {
  readonly kind: string
  readonly name: string
  readonly uid: string
}

/** What the kubelet says of a pod. */
export interface Pod {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly nodeName: string
  readonly labels: ReadonlyMap<string, string>
  readonly owners: readonly OwnerReference[]
  readonly containers: readonly ContainerStatus[]
  readonly initContainers: readonly ContainerStatus[]
}

/**
 * The pods of the kubelet's answer by UID. Pods without a UID are left out.
 *
 * @throws {SyntaxError} when the answer is no pod list
 */
export function parsePodList(text: string): ReadonlyMap<string, Pod> {
  const list = parse(text)
  if (typeof list !== 'object' || list === null || Array.isArray(list)) {
    throw new SyntaxError('invalid kubelet response: expected an object')
  }
  const items: unknown = Object.hasOwn(list, 'items') ? Reflect.get(list, 'items') : undefined
  if (items !== null && !Array.isArray(items)) {
    throw new SyntaxError('invalid kubelet response: expected an items array')
  }
  const pods = new Map<string, Pod>()
  for (const item of items ?? []) {
    const pod = readPod(item)
    if (pod.uid !== '') pods.set(pod.uid, pod)
  }
  return pods
}

/** A pod as the kubelet lists it, and as the API server answers. */
export function readPod(item: unknown): Pod {
  const metadata = objectIn(item, 'metadata')
  const spec = objectIn(item, 'spec')
  const status = objectIn(item, 'status')
  return {
    uid: stringIn(metadata, 'uid'),
    name: stringIn(metadata, 'name'),
    namespace: stringIn(metadata, 'namespace'),
    serviceAccount: stringIn(spec, 'serviceAccountName'),
    nodeName: stringIn(spec, 'nodeName'),
    labels: stringMap(objectIn(metadata, 'labels')),
    owners: listIn(metadata, 'ownerReferences').map((owner) => ({
      kind: stringIn(owner, 'kind'),
      name: stringIn(owner, 'name'),
      uid: stringIn(owner, 'uid'),
    })),
    containers: listIn(status, 'containerStatuses').map(readStatus),
    initContainers: listIn(status, 'initContainerStatuses').map(readStatus),
  }
}

function readStatus(status: unknown): ContainerStatus {
  return {
    name: stringIn(status, 'name'),
    containerId: hostOf(stringIn(status, 'containerID')),
    image: stringIn(status, 'image'),
    imageId: stringIn(status, 'imageID'),
  }
}

/** `containerd://<id>` → the ID. */
function hostOf(containerUrl: string): string {
  const after = containerUrl.indexOf('://')
  if (after < 0) return ''
  return containerUrl.slice(after + 3).split(/[/?#]/, 1)[0] ?? ''
}

/** The parser's own text would quote what it read, and pods have secrets in their environment. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SyntaxError('unable to parse kubelet response: it is not JSON')
  }
}
