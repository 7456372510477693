import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ours } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { startFakeDaemon } from './fake-daemon.ts'
import { parseTranscript, runStep } from './transcripts.ts'

// Every transcript was recorded with SPIRE 1.15.3's own programs against the same fixed answers: `server…` with
// spire-server, `agent…` with spire-agent.
const folder = join(root, 'test/cli/transcripts')
const scene = mkdtempSync(join(tmpdir(), 'mini-spire-cli-'))
let daemon: { stop(): void }

beforeAll(async () => {
  daemon = await startFakeDaemon(join(scene, 'api.sock'))
})
afterAll(() => {
  daemon.stop()
  rmSync(scene, { recursive: true, force: true })
})

describe.each(readdirSync(folder))('%s', (name) => {
  const program = name.startsWith('agent') ? ours.agent : ours.server
  const steps = parseTranscript(readFileSync(join(folder, name), 'utf8'))

  it('has steps', () => {
    expect(steps.length).toBeGreaterThan(0)
  })

  it.each(steps)('$args', async ({ args, stdout, stderr, status }) => {
    const environment = { SPIRE_SERVER_PRIVATE_SOCKET: join(scene, 'api.sock') }
    const done = await runStep(program.command, program.args, args, environment)
    expect(done).toEqual({ stdout, stderr, status })
  })
})
