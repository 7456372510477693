import { beforeAll, describe, it } from 'vitest'
import { expectAttested } from '../kit/attested-by.ts'
import { evidenceKinds } from '../kit/node-evidence.ts'
import { ours } from '../kit/processes.ts'

describe.each(evidenceKinds)('$name', (kind) => {
  const isMissing = kind.isMissing()
  beforeAll(async () => {
    if (!isMissing) await kind.prepare?.()
  }, 600_000)
  it.skipIf(isMissing)('attests our agent to our server', async () => {
    await expectAttested(kind, ours)
  })
})
