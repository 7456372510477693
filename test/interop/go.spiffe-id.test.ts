import { spawnSync } from 'node:child_process'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { goPeer, isGoMissing } from '../kit/peers.ts'

const samples = 20_000

/** Mostly IDs, with everything near them: other schemes, dots, escapes, look-alikes, marks that turn the text around. */
const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('a', 'Z', '0', '.', '..', '-', '_', '/', '//', 'example.org'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '%2e',
      '%',
      ':',
      '@',
      '?',
      '#',
      ' ',
      '\\',
      'A',
      'é',
      'ｅ',
      '\u202e',
      '\u0000',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 3 }) },
)
const start = fc.oneof(
  { weight: 8, arbitrary: fc.constant('spiffe://') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'spiffe:/', 'SPIFFE://', 'https://', 'spiffe://a', 'spiffe:'),
  },
)
const text = fc
  .tuple(start, fc.array(piece, { maxLength: 8 }))
  .map(([scheme, pieces]) => scheme + pieces.join(''))

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
    const values = fc.sample(text, { numRuns: samples })
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
