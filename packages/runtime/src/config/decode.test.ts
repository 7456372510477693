import { describe, expect, it } from 'vitest'
import { decodeSection } from './decode.ts'
import { parseConfig } from './parse.ts'
import { readPlugins } from './read-plugins.ts'
import { unknownKeys } from './schema.ts'
import { nearestKey } from './unknown-keys.ts'

const inner = { name: { type: 'string' }, n: { type: 'int' } } as const
const schema = {
  text: { type: 'string' },
  port: { type: 'int' },
  flag: { type: 'bool' },
  maybe: { type: 'bool', optional: true },
  list: { type: 'strings' },
  section: { type: 'section', fields: inner },
  absent: { type: 'section', optional: true, fields: inner },
  sections: { type: 'sections', fields: inner },
  labelled: { type: 'section-map', fields: inner },
  strings: { type: 'string-map' },
  raw: { type: 'node' },
} as const

const decoded = (text: string) => decodeSection(schema, parseConfig(text))

describe('decoding refuses a value of the wrong type', () => {
  it.each([
    ['text = true', 'At 1:8: root.text: unknown type for string *ast.LiteralType'],
    ['text = 1.5', 'At 1:8: root.text: unknown type for string *ast.LiteralType'],
    ['text = ["a"]', 'At 1:8: root.text: unknown type for string *ast.ListType'],
    ['port = true', 'At 1:8: root.port: unknown type *ast.LiteralType'],
    ['port = 1.5', 'At 1:8: root.port: unknown type *ast.LiteralType'],
    ['port = "abc"', 'strconv.ParseInt: parsing "abc": invalid syntax'],
    [
      'port = "99999999999999999999"',
      'strconv.ParseInt: parsing "99999999999999999999": value out of range',
    ],
    ['{"port": null}', 'strconv.ParseInt: parsing "": invalid syntax'],
    ['flag = "true"', 'At 1:8: root.flag: unknown type *ast.LiteralType'],
    ['flag = 1', 'At 1:8: root.flag: unknown type *ast.LiteralType'],
    ['list = "a"', 'At 1:8: unknown slice type: *ast.LiteralType'],
    ['list { a = 1 }', 'At 1:8: root.list[0]: unknown type for string *ast.ObjectItem'],
    ['section = [ { } ]', 'At 1:11: root.section: not an object type for struct (*ast.ListType)'],
    ['labelled = 1', 'At 1:12: root.labelled: not an object type for map (*ast.LiteralType)'],
    ['{"text": true}', 'At -: root.text: unknown type for string *ast.LiteralType'],
  ])('%j', (text, message) => {
    expect(() => decoded(text)).toThrow(message)
  })
})

describe('decoding accepts', () => {
  it('numbers for strings and strings for numbers, in every base', () => {
    expect(decoded('text = 5').text).toBe('5')
    expect(decoded('port = "8081"').port).toBe(8081)
    expect(decoded('port = "0x1f91"').port).toBe(8081)
    expect(decoded('port = "010"').port).toBe(8)
    expect(decoded('port = 017').port).toBe(15)
  })

  it('keys in any case', () => {
    expect(decoded('Section { NAME = "a" }').section.name).toBe('a')
  })

  it('nothing at all: zero values, and undefined for what is optional', () => {
    const empty = decodeSection(schema, undefined)
    expect([empty.text, empty.port, empty.flag, empty.list]).toEqual(['', 0, false, []])
    expect([empty.maybe, empty.absent, empty.raw]).toEqual([undefined, undefined, undefined])
  })

  it('repeats: the last scalar, all of the lists, merged blocks and maps, the first raw block', () => {
    const twice = decoded(`text = "a" text = "b" list = ["a"] list = ["b"]
      section { name = "a" } section { n = 2 }
      labelled "x" { name = "a" } labelled "x" { n = 1 } labelled "y" { n = 2 }
      raw { a = 1 } raw { b = 1 }`)
    expect(twice.text).toBe('b')
    expect(twice.list).toEqual(['a', 'b'])
    expect([twice.section.name, twice.section.n]).toEqual(['a', 2])
    expect([...twice.labelled.keys()]).toEqual(['x', 'y'])
    expect([twice.labelled.get('x')?.name, twice.labelled.get('x')?.n]).toEqual(['a', 1])
    expect(JSON.stringify(twice.raw)).toContain('"a"')
    expect(JSON.stringify(twice.raw)).not.toContain('"b"')
  })

  it('labels, nested objects and their JSON forms alike', () => {
    const forms = [
      'labelled "x" { name = "a" }',
      'labelled { x { name = "a" } }',
      'labelled = { "x" = { name = "a" } }',
      '{"labelled": {"x": {"name": "a"}}}',
      '{"labelled": [{"x": [{"name": "a"}]}]}',
    ]
    for (const form of forms) expect(decoded(form).labelled.get('x')?.name).toBe('a')
    expect(
      decoded('sections = [{ name = "a" }, { name = "b" }]').sections.map((s) => s.name),
    ).toEqual(['a', 'b'])
  })

  it('a key that is also a property of every object, as any other key', () => {
    const odd = decoded('strings { __proto__ = "a" constructor = "b" }').strings
    expect([...odd]).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })
})

describe('unknown keys', () => {
  const unknown = (text: string) =>
    decoded(text)[unknownKeys].map((key) => [key.key, key.isReportedBySpire])

  it('are found, with their place', () => {
    expect(decoded('text = "a"\n  bogus = 1')[unknownKeys]).toEqual([
      { key: 'bogus', position: { line: 2, column: 3 }, isReportedBySpire: true },
    ])
    expect(decoded('{"text": "a",\n "bogus": 1}')[unknownKeys][0]?.position.line).toBe(2)
  })

  it('that the check of SPIRE misses are marked', () => {
    expect(unknown('"bogus" = 1')).toEqual([['bogus', false]])
    expect(unknown('text = "a" bogus "label" { }')).toEqual([['bogus', false]])
    expect(unknown('bogus label { }')).toEqual([
      ['bogus', true],
      ['label', true],
    ])
    expect(unknown('{"text": "a", "bogus": {"x": {}}}')).toEqual([['bogus', false]])
  })

  it('have a nearest key when one is near', () => {
    expect(nearestKey('trustdomain', ['trust_domain', 'data_dir'])).toBe('trust_domain')
    expect(nearestKey('xyzzy', ['trust_domain', 'data_dir'])).toBeUndefined()
  })
})

describe('plugins', () => {
  const plugins = (text: string) => {
    const { raw } = decodeSection({ raw: { type: 'node' } }, parseConfig(text))
    if (!raw) throw new Error('no block')
    return readPlugins(raw)
  }

  it.each([
    ['raw { A "b" {} A b {} }', 'plugin "A"/"b" declared more than once'],
    [
      'raw { A "b" { plugin_data {} plugin_data_file = "x" } }',
      'failed to create plugin config for "A"/"b": only one of [plugin_data, plugin_data_file] can be used',
    ],
    ['raw = [ { } ]', 'expected plugins node type *ast.ObjectList but got *ast.ListType'],
    [
      'raw { A = [ { b = {} } ] }',
      'failed to decode plugins config: At 1:11: root[0].A: not an object type for map (*ast.ListType)',
    ],
    [
      'raw { A "b" { enabled = "no" } }',
      'failed to decode plugins config: At 1:25: root[0].A.b.enabled: unknown type *ast.LiteralType',
    ],
  ])('refuses %j', (text, message) => {
    expect(() => plugins(text)).toThrow(message)
  })

  it('come in the order in which they stand, in all forms', () => {
    const text =
      'raw { A "b" { enabled = false } C { d { plugin_cmd = "x" plugin_args = ["-y"] } } }'
    expect(plugins(text).map((p) => [p.type, p.name, p.isEnabled, p.command, p.args])).toEqual([
      ['A', 'b', false, '', []],
      ['C', 'd', true, 'x', ['-y']],
    ])
    const json = '{"raw": {"A": [{"b": {"plugin_data": {}}}], "C": {"d": {"enabled": false}}}}'
    expect(plugins(json).map((p) => [p.type, p.name, p.isEnabled])).toEqual([
      ['A', 'b', true],
      ['C', 'd', false],
    ])
  })

  it('hand their data on as it was parsed', () => {
    const [plugin] = plugins('raw { A "b" { plugin_data { name = "x" n = 3 } } }')
    const data = decodeSection(inner, plugin?.data)
    expect([data.name, data.n]).toEqual(['x', 3])
  })
})
