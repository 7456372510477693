import { describe, expect, it } from 'vitest'
import { decodeSection } from './decode.ts'
import { parseConfig } from './parse.ts'
import { printHcl } from './print.ts'

const schema = {
  text: { type: 'string' },
  number: { type: 'int' },
  flag: { type: 'bool' },
  words: { type: 'strings' },
  clusters: { type: 'node' },
} as const

const sources = {
  'an HCL section': String.raw`
    text = "a \"quoted\" \\ line\n"  # with a comment
    number = 0x1f
    flag = true
    words = ["one", "two",]
    clusters = { "https://one.example/a b" = { audience = ["x"], inner "label" { deep = 1.5 } } }
  `,
  'a JSON section':
    '{"text": "a \\"quoted\\" \\\\ line\\n\\u0001", "number": 31, "flag": true, "words": ["one", "two"], ' +
    '"clusters": {"https://one.example/a b": {"audience": ["x"], "inner": {"label": {"deep": 1.5}}}}}',
  'a heredoc': 'text = <<EOF\nfirst "line"\n  second\nEOF\nwords = []',
  'a string with an interpolation': 'text = "$' + '{file("a")} and b"',
  'nothing at all': '',
}

describe('printed HCL', () => {
  it.each(Object.entries(sources))('of %s decodes to the same values', (_, source) => {
    const parsed = parseConfig(source)
    const again = parseConfig(printHcl(parsed))
    const { clusters, ...values } = decodeSection(schema, parsed)
    const { clusters: clustersAgain, ...valuesAgain } = decodeSection(schema, again)
    expect(valuesAgain).toEqual(values)
    expect(printHcl(clustersAgain)).toBe(printHcl(clusters))
  })

  it('keeps quoted keys quoted and bare keys bare: checks for unknown keys see the latter only', () => {
    const text = printHcl(parseConfig('bare = 1\n"quoted" = 2'))
    expect(text).toBe('bare = 1\n"quoted" = 2\n')
  })

  it('of no section is empty', () => {
    expect(printHcl(undefined)).toBe('')
  })
})
