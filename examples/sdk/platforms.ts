import { FakeKubernetes } from '@mini-spire/sdk/testing/platforms'

await using kubernetes = await FakeKubernetes.start()
kubernetes.nodes.set('node-1', { uid: 'node-uid', labels: { zone: 'a' } })
kubernetes.pods.set('shop/web-1', { uid: 'pod-uid', labels: {}, nodeName: 'node-1' })
const claims = {
  namespace: 'shop',
  serviceAccount: 'web',
  podName: 'web-1',
  podUid: 'pod-uid',
  audiences: ['my-service'],
}
process.stdout.write(`${kubernetes.kubeconfig}: ${kubernetes.token(claims)}\n`)
// One thing is wrong with this one, and my service has to find it.
process.stdout.write(`${kubernetes.token(claims, 'expired')}\n`)
