import { describe, expect, it } from 'vitest'
import { playMetricsScene } from '../kit/metrics-scene.ts'
import { ours, Scene } from '../kit/processes.ts'
import type { ScrapedMetric } from '../kit/scrapes.ts'
import { isSpireMissing, spire } from './programs.ts'

/** What SPIRE shows and we do not: Go's own (decision 1401), and what comes with SVIDStore plugins. */
const notOurs = [
  /^go_/,
  /^process_network_/,
  /_runtime_(malloc|free)_count$/,
  /^spire_agent_store_/,
]

function lacking(
  ourMetrics: ReadonlyMap<string, ScrapedMetric>,
  theirs: ReadonlyMap<string, ScrapedMetric>,
): readonly string[] {
  return [...theirs]
    .filter(([name]) => !notOurs.some((pattern) => pattern.test(name)))
    .flatMap(([name, { type, labels }]) => {
      const own = ourMetrics.get(name)
      if (!own) return [`${name} is missing`]
      const wanted = `${type} {${[...labels].sort().join(',')}}`
      const found = `${own.type} {${[...own.labels].sort().join(',')}}`
      return wanted === found ? [] : [`${name} is ${found}, not ${wanted}`]
    })
}

describe.skipIf(isSpireMissing())('the metrics of our daemons', () => {
  it('have every one that SPIRE’s show after the same scene, with its type and labels', async () => {
    if (!spire) return
    await using theirScene = new Scene()
    const theirs = await playMetricsScene(theirScene, spire)
    await using ourScene = new Scene()
    const own = await playMetricsScene(ourScene, ours)
    expect(lacking(own.server, theirs.server)).toEqual([])
    expect(lacking(own.agent, theirs.agent)).toEqual([])
  })
})
