import { expect, it } from 'vitest'
import { errorLines, rotateUnderLoad } from '../soak/forced-load.ts'

it('an X.509 and a JWT authority are replaced by hand, and no workload and no agent is interrupted', async () => {
  const { failures, agents, serverOutput, agentOutput, revoked } = await rotateUnderLoad(2)
  expect(failures).toEqual([])
  expect(revoked).toHaveLength(2)
  expect(agents.after).toBe(agents.before)
  expect([...errorLines(serverOutput), ...errorLines(agentOutput)]).toEqual([])
  expect(serverOutput).toContain(
    'Server SVID signed using a tainted authority, forcing rotation of the Server SVID',
  )
  expect(agentOutput).toContain('Agent SVID is tainted by a root authority, forcing rotation')
  expect(agentOutput).toContain('Tainted X.509 SVIDs')
  expect(agentOutput).toContain('New tainted JWT authorities found')
})
