import { readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ours, runProgram, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { recipes, Stage } from './scenes.ts'
import { parseTranscript } from './transcripts.ts'

// What is expected was recorded with SPIRE 1.15.3's own programs: test/spire/transcripts.test.ts plays the same files with
// them. Where ours differ on purpose, the transcript says what ours print and why.
const folder = join(root, 'test/cli/transcripts')
const files = Object.keys(recipes).flatMap((kind) =>
  readdirSync(join(folder, kind)).map((name) => ({ kind, name: `${kind}/${name}` })),
)

describe('a link named as SPIRE names its program', () => {
  it.each([
    ['spire-server', ours.server],
    ['spire-agent', ours.agent],
  ])('%s works, and goes by that name', async (name, program) => {
    await using scene = new Scene()
    const link = scene.path(name)
    symlinkSync(program.args[0] ?? '', link)
    const help = runProgram({ command: program.command, args: [link] }, ['-h'])
    expect(help.status).toBe(0)
    expect(help.stderr).toContain(`Usage: ${name} [--version]`)
    const { stderr } = runProgram({ command: program.command, args: [link] }, ['-version'])
    expect(stderr).toMatch(/^1\.15\.3\+mini-spire\.\d+\.\d+\.\d+\n$/)
  })
})

describe('a link named as SPIRE names its OIDC provider', () => {
  it('works, and goes by that name', async () => {
    await using scene = new Scene()
    const link = scene.path('oidc-discovery-provider')
    const { command, args } = ours.oidcProvider
    symlinkSync(args[0] ?? '', link)
    const help = runProgram({ command, args: [link] }, ['-h'])
    expect(help.status).toBe(0)
    expect(help.stderr).toMatch(/^Usage of oidc-discovery-provider:\n/)
  })
})

describe.concurrent.each(files)('$name', ({ kind, name }) => {
  const steps = parseTranscript(readFileSync(join(folder, name), 'utf8'))
  let stage: Stage

  beforeAll(async () => {
    stage = await Stage.open(kind, ours)
  })
  afterAll(async () => {
    await stage[Symbol.asyncDispose]()
  })

  it('was recorded, every step of it', () => {
    expect(steps.length).toBeGreaterThan(0)
    expect(steps.filter((step) => !step.expected)).toEqual([])
  })

  const play = recipes[kind]?.isStateless ? it.concurrent : it.sequential
  play.each(steps)('$command', async ({ command, expected, ours: differing }) => {
    expect(await stage.run(command)).toEqual(differing ?? expected)
  })
})
