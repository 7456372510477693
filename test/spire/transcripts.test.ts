import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { recipes, Stage } from '../cli/scenes.ts'
import { formatTranscript, parseTranscript, type Step } from '../cli/transcripts.ts'
import { root } from '../kit/repository.ts'
import { isSpireMissing, spire } from './programs.ts'

const folder = join(root, 'test/cli/transcripts')
const files = Object.keys(recipes).flatMap((kind) =>
  readdirSync(join(folder, kind)).map((name) => ({ kind, name: `${kind}/${name}` })),
)
/** `RECORD=1` writes what SPIRE's programs print into the transcripts, instead of comparing. */
const isRecording = process.env['RECORD'] === '1'

describe.skipIf(isSpireMissing())("SPIRE's programs print what the transcripts say", () => {
  it.each(files)('$name', async ({ kind, name }) => {
    if (!spire) return
    const steps = parseTranscript(readFileSync(join(folder, name), 'utf8'))
    const played: Step[] = []
    await using stage = await Stage.open(kind, spire)
    for (const step of steps) played.push({ ...step, expected: await stage.run(step.command) })
    if (isRecording) writeFileSync(join(folder, name), formatTranscript(played))
    else expect(played).toEqual(steps)
  })
})
