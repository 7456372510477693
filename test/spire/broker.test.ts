import { describe, expect, it } from 'vitest'
import { brokerAnswers } from '../kit/broker-answers.ts'
import { clusterAnswers, startBrokerCluster } from '../kit/broker-cluster.ts'
import { startBrokerScene } from '../kit/broker-scene.ts'
import { ours, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

const pairs = [
  ["SPIRE's agent below SPIRE's server", spire],
  ["our agent below SPIRE's server", spire && { server: spire.server, agent: ours.agent }],
  ["SPIRE's agent below our server", spire && { server: ours.server, agent: spire.agent }],
] as const

describe.skipIf(isSpireMissing())('A broker', () => {
  it.each(pairs)('is told the same by %s', async (_pair, programs) => {
    if (!programs) throw new Error('no programs')
    await using scene = new Scene()
    const brokers = await startBrokerScene(scene, programs)
    await expect(brokerAnswers(brokers)).resolves.toMatchFileSnapshot('../interop/go.broker.txt')
  })

  it.each(pairs.slice(0, 2))('of a cluster is told the same by %s', async (_pair, programs) => {
    if (!programs) throw new Error('no programs')
    await using scene = new Scene()
    const brokers = await startBrokerCluster(scene, programs)
    const answers = clusterAnswers(brokers)
    await expect(answers).resolves.toMatchFileSnapshot('../interop/go.broker-cluster.txt')
  })
})
