import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { playMetricsScene } from '../kit/metrics-scene.ts'
import { ours, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import type { ScrapedMetric } from '../kit/scrapes.ts'

interface Wanted {
  readonly [name: string]: { readonly type: string; readonly labels: readonly string[] }
}

const vector: { readonly server: Wanted; readonly agent: Wanted } = JSON.parse(
  readFileSync(join(root, 'test/vectors/telemetry/spire-dashboard.json'), 'utf8'),
)

function lacking(shown: ReadonlyMap<string, ScrapedMetric>, wanted: Wanted): readonly string[] {
  return Object.entries(wanted)
    .filter(([name, { type, labels }]) => {
      const metric = shown.get(name)
      return metric?.type !== type || !labels.every((label) => metric.labels.has(label))
    })
    .map(([name]) => name)
}

describe('SPIRE’s stock dashboard', () => {
  it('finds every metric that it reads, with its type and labels, on both daemons', async () => {
    await using scene = new Scene()
    const { server, agent } = await playMetricsScene(scene, ours)
    expect(lacking(server, vector.server)).toEqual([])
    expect(lacking(agent, vector.agent)).toEqual([])
  })
})
