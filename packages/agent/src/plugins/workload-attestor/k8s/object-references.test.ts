import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { KubernetesClient } from '@mini-spire/runtime/kubernetes/kubernetes-client'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KubernetesObject, WorkloadReference } from '../../../model/workload-reference.ts'
import { FakeProc } from '../container/proc.test-kit.ts'
import type { PodReferenceScope } from './broker-config.ts'
import { type ClusterItem, type ClusterKind, FakeCluster } from './cluster.test-kit.ts'
import { K8sAttestor, type K8sAttestorOptions } from './k8s.ts'
import { parsePodList } from './pod.ts'

const broker = SpiffeId.parse('spiffe://example.org/broker')
const { signal } = new AbortController()
const podUid = '00000000-1111-2222-3333-444444444444'
const containerId = 'a'.repeat(64)
const pod = (name: string, uid: string): ClusterItem => ({
  metadata: { name, uid, namespace: 'shop', labels: { app: name } },
  spec: { serviceAccountName: 'seller', nodeName: 'n' },
  status: {
    containerStatuses: [
      { name: 'app', containerID: `containerd://${containerId}`, image: 'i', imageID: 'i' },
    ],
  },
})
const podValues = (name: string, uid: string): readonly string[] => [
  'sa:seller',
  'ns:shop',
  'node-name:n',
  `pod-uid:${uid}`,
  `pod-name:${name}`,
  'pod-image-count:1',
  'pod-init-image-count:0',
  'pod-image:i',
  `pod-label:app:${name}`,
]
const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'ru', controller: true }
const coreOwner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'nu' }
const kinds: readonly ClusterKind[] = [
  {
    ...{ group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true },
    items: [pod('far', 'far-uid'), pod('forbidden', 'forbidden-uid')],
  },
  {
    ...{ group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false },
    items: [{ metadata: { name: 'n1', uid: 'n1-uid' } }],
  },
  {
    ...{
      group: 'apps',
      version: 'v1',
      plural: 'deployments',
      kind: 'Deployment',
      namespaced: true,
    },
    items: [
      ...Array.from({ length: 1_200 }, (_, n) => ({
        metadata: { name: `d${n}`, uid: `d${n}-uid`, namespace: 'many' },
      })),
      {
        metadata: {
          ...{ name: 'web', uid: 'web-uid', namespace: 'shop' },
          labels: { app: 'web' },
          ownerReferences: [owner, coreOwner],
        },
      },
    ],
  },
  {
    ...{
      group: 'own.example',
      version: 'v1beta1',
      plural: 'things',
      kind: 'Thing',
      namespaced: true,
    },
    items: [],
  },
]

let cluster: FakeCluster
let url: string
let proc: FakeProc
beforeEach(async () => {
  cluster = new FakeCluster(kinds)
  url = await cluster.start()
  proc = new FakeProc()
  proc.put(7, [`0::/kubepods/pod${podUid}/${containerId}`])
})
afterEach(() => {
  cluster.stop()
  proc[Symbol.dispose]()
})

interface World extends Partial<K8sAttestorOptions> {
  readonly scope?: PodReferenceScope
  readonly isEnforced?: boolean
}

function attestor({ scope = 'cluster', isEnforced = false, ...more }: World = {}): K8sAttestor {
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const access = {
    ...{ server: url, roots: undefined, skipsVerification: false, clientCertificate: undefined },
    authorization: () => Promise.resolve(undefined),
  }
  const local = JSON.stringify({ items: [pod('near', podUid)] })
  return new K8sAttestor({
    fetchPods: () => Promise.resolve(parsePodList(local)),
    fetchNamespaceLabels: undefined,
    brokers: { isEnforced, scopes: new Map([[broker.toString(), scope]]) },
    openCluster: () => Promise.resolve(new KubernetesClient({ http, access })),
    maxPollAttempts: 3,
    pollIntervalMs: 500,
    omitsContainerSelectors: false,
    usesOldLocator: false,
    isVerbose: false,
    procPath: proc.path,
    clock: new FakeClock(),
    log: silentLogger,
    ...more,
  })
}

const pods = { plural: 'pods', group: 'core' }
const deployments = { plural: 'deployments', group: 'apps' }
const object = (
  type: KubernetesObject['type'],
  key?: readonly [string, string],
  uid = '',
): WorkloadReference => ({
  typeUrl: 'type.googleapis.com/spiffe.broker.KubernetesObjectReference',
  encoded: new Uint8Array(),
  subject: {
    kind: 'kubernetes',
    object: { type, key: key && { namespace: key[0], name: key[1] }, uid },
  },
})
const processReference: WorkloadReference = {
  typeUrl: 'type.googleapis.com/spiffe.broker.WorkloadPIDReference',
  encoded: new Uint8Array(),
  subject: { kind: 'process', pid: 7 },
}
const workload = { pid: 7, uid: 0, gid: 0 }

async function valuesOf(
  reference: WorkloadReference,
  world: World = {},
  who: SpiffeId = broker,
): Promise<readonly string[]> {
  using k8s = attestor(world)
  const process = reference.subject.kind === 'process' ? workload : undefined
  const found = await k8s.attestReference({ reference, broker: who, process }, signal)
  return found.map(({ value }) => value)
}

describe('a pod that a broker names', () => {
  it('of this node is found by name and by UID, without a question to the cluster', async () => {
    const near = podValues('near', podUid)
    const world = { scope: 'agent_node' } as const
    expect(await valuesOf(object(pods, ['shop', 'near']), world)).toEqual(near)
    expect(await valuesOf(object(pods, undefined, podUid), world)).toEqual(near)
    expect(await valuesOf(object(pods, ['shop', 'near'], podUid), world)).toEqual(near)
    expect(cluster.asked).toEqual([])
  })

  it('of another node is found when the broker may name those, and when the kubelet is not there', async () => {
    const far = podValues('far', 'far-uid')
    expect(await valuesOf(object(pods, ['shop', 'far']))).toEqual(far)
    expect(await valuesOf(object(pods, undefined, 'far-uid'))).toEqual(far)
    expect(await valuesOf(object(pods, ['shop', 'far']), { fetchPods: undefined })).toEqual(far)
    const broken = { fetchPods: () => Promise.reject(new Error('no kubelet')) }
    expect(await valuesOf(object(pods, ['shop', 'far']), broken)).toEqual(far)
  })

  it.each<[string, WorkloadReference, World, string, string]>([
    [
      'of another node is not found by who may name those of this one only',
      object(pods, ['shop', 'far']),
      { scope: 'agent_node' },
      'ERR_WORKLOAD_OBJECT_NOT_FOUND',
      'pod shop/far not found on agent node',
    ],
    [
      'nor by its UID',
      object(pods, undefined, 'far-uid'),
      { scope: 'agent_node' },
      'ERR_WORKLOAD_OBJECT_NOT_FOUND',
      'pod with UID far-uid not found on agent node',
    ],
    [
      'that is nowhere is not found',
      object(pods, ['shop', 'x']),
      {},
      'ERR_WORKLOAD_OBJECT_NOT_FOUND',
      'pod shop/x not found',
    ],
    [
      'whose UID is nowhere is not found',
      object(pods, undefined, 'x'),
      {},
      'ERR_WORKLOAD_OBJECT_NOT_FOUND',
      'Pod with UID x not found',
    ],
    [
      'that was made anew is another one',
      object(pods, ['shop', 'near'], 'old-uid'),
      {},
      'ERR_WORKLOAD_OBJECT_NOT_FOUND',
      `pod shop/near has UID ${podUid}, expected old-uid`,
    ],
    [
      'without a namespace is none',
      object(pods, ['', 'near']),
      {},
      'ERR_WORKLOAD_REFERENCE_INVALID',
      'namespace is required when name is set for a namespaced resource',
    ],
    [
      'is not looked for without a kubelet on this node only',
      object(pods, ['shop', 'near']),
      { scope: 'agent_node', fetchPods: undefined },
      'ERR_WORKLOAD_DISABLED',
      'kubelet client is disabled',
    ],
    [
      'is not found while the kubelet does not answer',
      object(pods, ['shop', 'near']),
      { scope: 'agent_node', fetchPods: () => Promise.reject(new Error('no kubelet')) },
      'ERR_WORKLOAD_ENGINE',
      'no kubelet',
    ],
    [
      'has no name that leads elsewhere',
      object(pods, ['shop', '../../secrets/x']),
      {},
      'ERR_WORKLOAD_REFERENCE_INVALID',
      'object reference has a malformed name',
    ],
    [
      'has no namespace that leads elsewhere',
      object(pods, ['..', 'x']),
      {},
      'ERR_WORKLOAD_REFERENCE_INVALID',
      'object reference has a malformed name',
    ],
  ])('%s', async (_what, reference, world, code, message) => {
    await expect(valuesOf(reference, world)).rejects.toMatchObject({
      code,
      message: `workloadattestor(k8s): ${message}`,
    })
  })
})

describe('an object of any kind', () => {
  const web = [
    'uid:web-uid',
    'resource:deployments.apps',
    'plural:deployments',
    'group:apps',
    'version:v1',
    'apiVersion:apps/v1',
    'kind:Deployment',
    'name:web',
    'namespace:shop',
    'key:shop/web',
    'label:app:web',
    'owner-key:apps/ReplicaSet/rs',
    'owner-uid:apps/ReplicaSet/ru',
    'controller-key:apps/ReplicaSet/rs',
    'controller-uid:apps/ReplicaSet/ru',
    'owner-key:core/Node/n1',
    'owner-uid:core/Node/nu',
  ]

  it('is described by its metadata, found by name or, page by page, by UID', async () => {
    expect(await valuesOf(object(deployments, ['shop', 'web']))).toEqual(web)
    expect(await valuesOf(object(deployments, undefined, 'web-uid'))).toEqual(web)
    expect(cluster.asked.slice(-3)).toEqual([
      'GET /apis/apps/v1/deployments?limit=500',
      'GET /apis/apps/v1/deployments?limit=500&continue=500',
      'GET /apis/apps/v1/deployments?limit=500&continue=1000',
    ])
  })

  it('of the cluster has a key without a namespace', async () => {
    const node = await valuesOf(object({ plural: 'nodes', group: 'core' }, ['', 'n1']))
    expect(node).toEqual([
      'uid:n1-uid',
      'resource:nodes.core',
      'plural:nodes',
      'group:core',
      'version:v1',
      'apiVersion:v1',
      'kind:Node',
      'name:n1',
      'key:n1',
    ])
  })

  it('has the labels of its namespace where they are asked for', async () => {
    const fetchNamespaceLabels = (name: string) => Promise.resolve(new Map([['team', name]]))
    const values = await valuesOf(object(deployments, ['shop', 'web']), { fetchNamespaceLabels })
    expect(values.at(-1)).toBe('ns-label:team:shop')
    expect(
      await valuesOf(object({ plural: 'nodes', group: 'core' }, ['', 'n1']), {
        fetchNamespaceLabels,
      }),
    ).toHaveLength(9)
  })

  it.each<[string, WorkloadReference, string]>([
    ['without a type', object(undefined, ['a', 'b']), 'object reference is missing type'],
    [
      'without a plural',
      object({ plural: '', group: 'apps' }, ['a', 'b']),
      'object reference type is missing plural',
    ],
    [
      'without a group',
      object({ plural: 'pods', group: '' }, ['a', 'b']),
      'object reference type is missing group',
    ],
    ['without key and UID', object(pods), 'object reference is missing key and UID'],
    ['without a name', object(pods, ['shop', ''], 'u'), 'object reference key is missing name'],
    [
      'of a namespaced kind, without one',
      object(deployments, ['', 'web']),
      'namespace is required when name is set for a namespaced resource',
    ],
    [
      'of the cluster, with a namespace',
      object({ plural: 'nodes', group: 'core' }, ['shop', 'n1']),
      'namespace must be empty for cluster-scoped resource',
    ],
    [
      'of a kind that is not served',
      object({ plural: 'x', group: 'apps' }, ['shop', 'web']),
      'unknown Kubernetes resource x.apps: no matches for apps/, Resource=x',
    ],
    [
      'of a group that is not served',
      object({ plural: 'pods', group: 'x.y' }, ['shop', 'web']),
      'unknown Kubernetes resource pods.x.y: no matches for x.y/, Resource=pods',
    ],
    [
      'of a group that leads elsewhere',
      object({ plural: 'pods', group: '../api' }, ['shop', 'web']),
      'unknown Kubernetes resource pods.../api: no matches for ../api/, Resource=pods',
    ],
    [
      'that is a part of another',
      object({ plural: 'pods/log', group: 'core' }, ['shop', 'web']),
      'unknown Kubernetes resource pods/log.core: no matches for /, Resource=pods/log',
    ],
  ])('%s is no reference', async (_what, reference, message) => {
    await expect(valuesOf(reference)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_REFERENCE_INVALID',
      kind: 'invalid-argument',
      message: `workloadattestor(k8s): ${message}`,
    })
  })

  it('that is not there, or another by now, is not found', async () => {
    const missing = { code: 'ERR_WORKLOAD_OBJECT_NOT_FOUND', kind: 'not-found' }
    await expect(valuesOf(object(deployments, ['shop', 'x']))).rejects.toMatchObject({
      ...missing,
      message: 'workloadattestor(k8s): Deployment shop/x not found',
    })
    await expect(valuesOf(object(deployments, undefined, 'x'))).rejects.toMatchObject({
      ...missing,
      message: 'workloadattestor(k8s): Deployment with UID x not found',
    })
    await expect(valuesOf(object(deployments, ['shop', 'web'], 'old'))).rejects.toMatchObject({
      ...missing,
      message: 'workloadattestor(k8s): deployments.apps shop/web has UID web-uid, expected old',
    })
  })

  it('is not said to be gone when the cluster does not say', async () => {
    cluster.failsWith = 500
    await expect(valuesOf(object(deployments, ['shop', 'web']))).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_UNREADABLE',
      kind: 'internal',
      message: 'workloadattestor(k8s): unable to discover resources: refused by the cluster',
    })
  })
})

describe('a broker', () => {
  it('gets what a process runs in, as a workload would', async () => {
    expect(await valuesOf(processReference)).toEqual([
      ...podValues('near', podUid),
      'container-name:app',
      'container-image:i',
    ])
    proc.put(7, ['0::/user.slice'])
    expect(await valuesOf(processReference, { isEnforced: true })).toEqual([])
    expect(cluster.reviews).toEqual([])
  })

  it('is nobody to an attestor that knows none, or others: ERR_WORKLOAD_BROKER_CONFIG, ERR_WORKLOAD_BROKER_DENIED', async () => {
    for (const reference of [processReference, object(pods, ['shop', 'near'])]) {
      await expect(valuesOf(reference, { brokers: undefined })).rejects.toMatchObject({
        code: 'ERR_WORKLOAD_BROKER_CONFIG',
        kind: 'internal',
        message: 'workloadattestor(k8s): broker configuration missing',
      })
      const stranger = SpiffeId.parse('spiffe://example.org/stranger')
      await expect(valuesOf(reference, {}, stranger)).rejects.toMatchObject({
        code: 'ERR_WORKLOAD_BROKER_DENIED',
        kind: 'permission-denied',
        message: 'workloadattestor(k8s): broker "spiffe://example.org/stranger" is not configured',
      })
    }
  })

  it('is asked about at the cluster, for each object, when the policy is enforced', async () => {
    const world = { isEnforced: true }
    await valuesOf(object(deployments, ['shop', 'web']), world)
    await valuesOf(processReference, world)
    const asked = cluster.reviews.map((body) => JSON.parse(body))
    expect(asked).toMatchObject([
      {
        kind: 'SubjectAccessReview',
        spec: {
          user: broker.toString(),
          resourceAttributes: {
            group: 'apps',
            resource: 'deployments',
            namespace: 'shop',
            name: 'web',
            verb: 'impersonate-via-spire',
          },
        },
      },
      { spec: { resourceAttributes: { group: '', resource: 'pods', name: 'near' } } },
    ])
    await expect(valuesOf(object(pods, ['shop', 'forbidden']), world)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_BROKER_DENIED',
      message:
        'workloadattestor(k8s): Kubernetes authorizer does not allow the broker to use impersonate-via-spire for the referenced object',
    })
    expect(await valuesOf(object(pods, ['shop', 'forbidden']))).toHaveLength(9)
  })

  it('gets nothing while the cluster cannot be asked', async () => {
    cluster.failsWith = 503
    await expect(valuesOf(processReference, { isEnforced: true })).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_UNREADABLE',
      message:
        'workloadattestor(k8s): unable to check Kubernetes authorization for broker: refused by the cluster',
    })
  })

  it('gets nothing for a reference that is neither process nor object', async () => {
    const own: WorkloadReference = {
      typeUrl: 'example.org/own',
      encoded: new Uint8Array(),
      subject: { kind: 'other' },
    }
    await expect(valuesOf(own)).rejects.toMatchObject({
      code: 'ERR_WORKLOAD_REFERENCE_INVALID',
      message: 'workloadattestor(k8s): unsupported reference type: example.org/own',
    })
  })
})
