import { beforeAll, describe, it } from 'vitest'
import { expectAttested } from '../kit/attested-by.ts'
import { evidenceKinds, titled } from '../kit/node-evidence.ts'
import { expectDocumentsRefused } from '../kit/refused-documents.ts'
import { isSpireMissing, pairings } from './programs.ts'

describe.skipIf(isSpireMissing())('node attestation', () => {
  describe.each(evidenceKinds.map(titled))('by %s', (_title, kind) => {
    const isMissing = kind.isMissing()
    beforeAll(async () => {
      if (!isMissing) await kind.prepare?.()
    }, 600_000)
    it.skipIf(isMissing).each(pairings())('%s', async (_, server, agent) => {
      await expectAttested(kind, { server, agent })
    })
  })

  it.each(pairings())('%s: what is wrong with a document of Azure', async (_, server, agent) => {
    await expectDocumentsRefused({ server, agent })
  })
})
