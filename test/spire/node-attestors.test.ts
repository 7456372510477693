import { beforeAll, describe, it } from 'vitest'
import { expectAttested } from '../kit/attested-by.ts'
import { evidenceKinds } from '../kit/node-evidence.ts'
import { isSpireMissing, pairings } from './programs.ts'

describe.skipIf(isSpireMissing())('node attestation', () => {
  describe.each(evidenceKinds)('by $name', (kind) => {
    const isMissing = kind.isMissing()
    beforeAll(async () => {
      if (!isMissing) await kind.prepare?.()
    }, 600_000)
    it.skipIf(isMissing).each(pairings())('%s', async (_, server, agent) => {
      await expectAttested(kind, { server, agent })
    })
  })
})
