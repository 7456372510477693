import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'

const answers = readFileSync(join(import.meta.dirname, 'rust-spiffe-0.19.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as readonly [text: string, id: string | null])

function parsed(text: string): string | null {
  try {
    return SpiffeId.parse(text).toString()
  } catch {
    return null
  }
}

/** rust-spiffe lowers capitals in scheme and trust domain; the standard has them refused, and we do. */
function lowered(text: string): string {
  const path = text.indexOf('/', 'spiffe://'.length)
  const end = path < 0 ? text.length : path
  return text.slice(0, end).toLowerCase() + text.slice(end)
}

describe('4,000 strings near SPIFFE IDs', () => {
  it('are read as rust-spiffe 0.19 read them, but for capitals that it makes small [SPIFFE-ID 2]', () => {
    const differences = answers.filter(
      ([text, id]) => id !== parsed(text) && !(id === lowered(text) && parsed(id) === id),
    )
    expect(differences).toEqual([])
    expect(answers).toHaveLength(4000)
    expect(answers.filter(([, id]) => id !== null)).toHaveLength(363)
  })

  it('with capitals in the trust domain are refused here', () => {
    const lowercased = answers.filter(([text, id]) => id !== null && id !== text)
    expect(lowercased.length).toBeGreaterThan(10)
    expect(lowercased.filter(([text]) => parsed(text) !== null)).toEqual([])
  })
})
