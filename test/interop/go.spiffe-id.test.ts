import { spawnSync } from 'node:child_process'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearIds } from '../kit/near-ids.ts'
import { goPeer, isGoMissing } from '../kit/peers.ts'

const samples = 20_000

interface Answer {
  readonly id: string
  readonly domain: string
  readonly error: string
}

function ours(value: string): Answer {
  return { ...parsed(value), domain: attempt(() => TrustDomain.parse(value).name) ?? '' }
}

function parsed(value: string): { readonly id: string; readonly error: string } {
  try {
    return { id: SpiffeId.parse(value).toString(), error: '' }
  } catch (error) {
    return { id: '', error: messageOf(error) }
  }
}

function attempt<Value>(make: () => Value): Value | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

describe.skipIf(isGoMissing())('go-spiffe and our parser', () => {
  it('accept the same SPIFFE IDs and trust domains, and refuse the others in the same words [SPIFFE-ID 2]', async () => {
    const program = await goPeer()
    const values = fc.sample(nearIds, { numRuns: samples })
    const { stdout, status } = spawnSync(program, ['ids'], {
      input: values.map((value) => JSON.stringify(value)).join('\n'),
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    expect(status).toBe(0)
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer)
    expect(answers).toHaveLength(values.length)
    const differences = values
      .map((value, index) => ({ value, go: answers[index], ours: ours(value) }))
      .filter((one) => JSON.stringify(sorted(one.go)) !== JSON.stringify(sorted(one.ours)))
    expect(differences.slice(0, 5)).toEqual([])
    expect(answers.filter(({ id }) => id !== '').length).toBeGreaterThan(samples / 50)
  })
})

function sorted(answer: Answer | undefined): readonly string[] {
  return [answer?.id ?? '', answer?.domain ?? '', answer?.error ?? '']
}
