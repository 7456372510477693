import { describe, expect, it } from 'vitest'
import { ours, Scene } from '../kit/processes.ts'
import { warnedConfigurations, warningsOf } from '../kit/start-up-warnings.ts'

// test/spire/start-up-warnings.test.ts finds the same in the logs of SPIRE's programs.
describe('start-up warns, in SPIRE’s words and of nothing else, of', () => {
  it.each(warnedConfigurations)('$title ($who)', async (configuration) => {
    await using scene = new Scene()
    const warnings = await warningsOf(scene, ours[configuration.who], configuration)
    expect(warnings).toEqual([...configuration.warnings].sort())
  })
})
