import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type ClusterItem,
  FakeCluster,
} from '@mini-spire/agent/plugins/workload-attestor/k8s/cluster.test-kit'
import { type BrokerScene, startBrokerScene } from './broker-scene.ts'
import type { Programs, Scene } from './processes.ts'

const item = (name: string, uid: string, namespace?: string): ClusterItem => ({
  metadata: { name, uid, ...(namespace !== undefined && { namespace }) },
})
const pod = (name: string, uid: string): ClusterItem => ({
  ...item(name, uid, 'shop'),
  spec: { serviceAccountName: 'seller', nodeName: 'n', containers: [] },
  status: {},
})
const here = [pod('near', 'near-uid'), pod('forbidden', 'forbidden-uid')]
const there = [...here, pod('far', 'far-uid')]

/** What brokers name: an object a line, as the Go peer reads it. */
const objects: readonly string[] = [
  'pods,core,shop,near,',
  'pods,core,,-,near-uid',
  'pods,core,shop,near,near-uid',
  'pods,core,shop,near,old-uid',
  'pods,core,shop,far,',
  'pods,core,,-,far-uid',
  'pods,core,shop,nobody,',
  'pods,core,,-,nobody-uid',
  'pods,core,,near,',
  'pods,core,shop,forbidden,',
  'deployments,apps,shop,web,',
  'deployments,apps,,-,web-uid',
  'deployments,apps,shop,web,old-uid',
  'deployments,apps,shop,nobody,',
  'deployments,apps,,-,nobody-uid',
  'deployments,apps,,web,',
  'deployments,apps,shop,forbidden,',
  'nodes,core,,n1,',
  'nodes,core,shop,n1,',
  'things,apps,shop,web,',
  '-,,shop,web,',
  ',core,shop,web,',
  'pods,,shop,web,',
  'pods,core,,-,',
  'pods,core,shop,,near-uid',
]

/** Starts the scene with a cluster and a kubelet that are played, and a k8s attestor that asks them. */
export async function startBrokerCluster(scene: Scene, programs: Programs): Promise<BrokerScene> {
  const core = { group: '', version: 'v1' }
  const apps = { group: 'apps', version: 'v1' }
  const cluster = new FakeCluster([
    { ...core, plural: 'pods', kind: 'Pod', namespaced: true, items: there },
    { ...core, plural: 'nodes', kind: 'Node', namespaced: false, items: [item('n1', 'n1-uid')] },
    {
      ...{ ...apps, plural: 'deployments', kind: 'Deployment', namespaced: true },
      items: [item('web', 'web-uid', 'shop'), item('forbidden', 'f-uid', 'shop')],
    },
  ])
  const url = await cluster.start()
  const kubelet = createServer((_, response) =>
    response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', items: here })),
  )
  await new Promise<void>((resolve) => kubelet.listen(0, '127.0.0.1', resolve))
  const { port } = kubelet.address() as AddressInfo
  scene.defer(async () => {
    cluster.stop()
    kubelet.close()
  })
  const kubeconfig = scene.path('kubeconfig')
  writeFileSync(kubeconfig, kubeconfigFor(url))
  return await startBrokerScene(scene, programs, {
    env: { KUBECONFIG: kubeconfig },
    plugins: `WorkloadAttestor "k8s" {
      plugin_data {
        kubelet_read_only_port = ${port}
        experimental {
          broker {
            access_policy = "enforced"
            brokers = [
              { id = "spiffe://example.org/broker", pod_reference_scope = "cluster" },
              { id = "spiffe://example.org/restricted" },
            ]
          }
        }
      }
    }`,
    entries: [
      ['/near', 'k8s:pod-name:near'],
      ['/far', 'k8s:pod-name:far'],
      ['/deployment', 'k8s:key:shop/web'],
      ['/node', 'k8s:resource:nodes.core'],
      ['/forbidden', 'k8s:ns:shop'],
    ],
  })
}

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  })
}

/** What both brokers are told about each object. */
export async function clusterAnswers(scene: BrokerScene): Promise<string> {
  const asked = objects.flatMap((object) => ['-object', object])
  const lines: string[] = []
  for (const broker of ['broker', 'restricted'] as const) {
    const done = await scene.ask(broker, '-broker', scene.remote, '-ask', 'objects', ...asked)
    if (done.status !== 0) throw new Error(done.stderr)
    lines.push(`# ${broker}`, done.stdout)
  }
  return lines.join('\n')
}
