import { describe, it } from 'vitest'
import { expectAttested } from '../kit/attested-by.ts'
import { evidenceKinds } from '../kit/node-evidence.ts'
import { isSpireMissing, pairings } from './programs.ts'

describe.skipIf(isSpireMissing())('node attestation', () => {
  describe.each(evidenceKinds)('by $name', (kind) => {
    it.skipIf(kind.isMissing()).each(pairings())('%s', async (_, server, agent) => {
      await expectAttested(kind, { server, agent })
    })
  })
})
