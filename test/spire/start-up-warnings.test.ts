import { describe, expect, it } from 'vitest'
import { Scene } from '../kit/processes.ts'
import { warnedConfigurations, warningsOf } from '../kit/start-up-warnings.ts'
import { isSpireMissing, spire } from './programs.ts'

describe.skipIf(isSpireMissing())("SPIRE's start-up warns of", () => {
  it.each(warnedConfigurations)('$title ($who)', async (configuration) => {
    if (!spire) return
    await using scene = new Scene()
    const warnings = await warningsOf(scene, spire[configuration.who], configuration)
    expect(warnings).toEqual([...configuration.warnings].sort())
  })
})
