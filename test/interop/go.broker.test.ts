import { describe, expect, it } from 'vitest'
import { brokerAnswers } from '../kit/broker-answers.ts'
import { clusterAnswers, startBrokerCluster } from '../kit/broker-cluster.ts'
import { startBrokerScene } from '../kit/broker-scene.ts'
import { isGoMissing } from '../kit/peers.ts'
import { ours, Scene } from '../kit/processes.ts'

/** What a broker is told with the reasons that travel along. */
const reasons = `as spiffe://example.org/broker
no reference x509 InvalidArgument workload reference must be provided
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
empty reference x509 InvalidArgument workload reference must be provided
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
reference without type x509 InvalidArgument workload reference must be provided
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
unknown type x509 Unimplemented no workload attestor handled reference
 x509 svids 0 [] 0
type of another host x509 OK 
kubernetes object x509 Unimplemented no workload attestor handled reference
malformed process x509 InvalidArgument unable to unmarshal PID reference: proto: cannot parse invalid wire-format data
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
malformed object x509 InvalidArgument unable to unmarshal object reference: proto: cannot parse invalid wire-format data
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
process 0 x509 InvalidArgument process ID 0 is not a positive integer
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
process -1 x509 InvalidArgument process ID -1 is not a positive integer
 reason WORKLOAD_REFERENCE_INVALID spiffe.io
process that is not there x509 NotFound process 4194305 does not exist
 reason WORKLOAD_NOT_FOUND spiffe.io
`

describe.skipIf(isGoMissing())('Go as a broker of our agent', () => {
  it('is told what SPIRE tells it', async () => {
    await using scene = new Scene()
    const brokers = await startBrokerScene(scene, ours)
    await expect(brokerAnswers(brokers)).resolves.toMatchFileSnapshot('go.broker.txt')
  })

  it('of a cluster is told what SPIRE tells it', async () => {
    await using scene = new Scene()
    const answers = clusterAnswers(await startBrokerCluster(scene, ours))
    await expect(answers).resolves.toMatchFileSnapshot('go.broker-cluster.txt')
  })

  it('learns why, what changes, and when its workload has ended', async () => {
    await using scene = new Scene()
    const { local, pids, web, ...brokers } = await startBrokerScene(scene, ours)
    const asked = ['-broker', local, '-reasons']
    const refusals = await brokers.ask('broker', ...asked, '-ask', 'refusals')
    expect(refusals.stdout).toContain(reasons)
    const nobody = ['-ask', 'workload', '-pid', `nobody=${pids.nobody}`]
    expect((await brokers.ask('broker', ...asked, ...nobody)).stdout).toContain(
      'nobody jwt PermissionDenied no identity issued\n reason WORKLOAD_NOT_ENTITLED spiffe.io\n',
    )
    const following = brokers.follow(
      'broker',
      ...asked,
      '-ask',
      'follow',
      '-pid',
      `web=${pids.web}`,
    )
    await following.waitFor(' x509 svids 3 [] 0')
    brokers.register('/web-third', 'web')
    await following.waitFor(' x509 spiffe://example.org/web-third true true true ')
    brokers.register('/web-admin', 'web', '-admin')
    brokers.register('/web-fourth', 'web')
    await following.waitFor(' x509 spiffe://example.org/web-fourth true true true ')
    expect(following.output).not.toContain('web-admin')
    web.process.kill('SIGKILL')
    expect(await following.ended).toBe(0)
    expect(following.output).toContain(
      `end NotFound process ${pids.web} has ended\n reason WORKLOAD_NOT_FOUND spiffe.io\n`,
    )
  })

  it('is not even heard when it is in no list', async () => {
    await using scene = new Scene()
    const { local, remote, pids, ask } = await startBrokerScene(scene, ours)
    for (const target of [local, remote]) {
      const { stdout } = await ask(
        'stranger',
        ...['-broker', target, '-ask', 'workload', '-pid', `web=${pids.web}`],
      )
      expect(stdout.match(/^web \w+ \w+/gm)).toEqual([
        'web x509 Unavailable',
        'web jwt Unavailable',
        'web roots Unavailable',
        'web keys Unavailable',
      ])
    }
  })
})
