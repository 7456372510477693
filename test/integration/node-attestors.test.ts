import { beforeAll, describe, it } from 'vitest'
import { expectAttested } from '../kit/attested-by.ts'
import { evidenceKinds, titled } from '../kit/node-evidence.ts'
import { ours } from '../kit/processes.ts'
import { expectDocumentsRefused } from '../kit/refused-documents.ts'

describe.each(evidenceKinds.map(titled))('%s', (_title, kind) => {
  const isMissing = kind.isMissing()
  beforeAll(async () => {
    if (!isMissing) await kind.prepare?.()
  }, 600_000)
  it.skipIf(isMissing)('attests our agent to our server', async () => {
    await expectAttested(kind, ours)
  })
})

it('azure_imds refuses documents that have something wrong, and the second use of a good one', async () => {
  await expectDocumentsRefused(ours)
})
