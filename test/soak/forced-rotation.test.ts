import { expect, it } from 'vitest'
import { errorLines, rotateUnderLoad } from './forced-load.ts'

const scale = Number(process.env['SOAK_SCALE'] ?? '1')
const times = Math.max(2, Math.round(100 * scale))

it('authorities are replaced by hand under load: no handshake fails, no agent attests again', async () => {
  const seen = await rotateUnderLoad(times)
  process.stdout.write(`soak: ${seen.revoked.length} forced rotations, ${seen.rounds} rounds\n`)
  expect(seen.failures).toEqual([])
  expect(seen.agents.after).toBe(seen.agents.before)
  expect(errorLines(seen.serverOutput)).toEqual([])
  expect(errorLines(seen.agentOutput)).toEqual([])
  expect(seen.agentOutput).not.toContain('node attestation')
  expect(new Set(seen.revoked).size).toBe(times)
  expect(seen.rounds).toBeGreaterThan(times)
})
