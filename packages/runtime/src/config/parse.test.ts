import { describe, expect, it } from 'vitest'
import type { Node } from './ast.ts'
import { ConfigError } from './config-error.ts'
import { decodeText, parseConfig } from './parse.ts'

/** The tree as plain values: items as [keys, value]. */
function plain(node: Node): unknown {
  switch (node.kind) {
    case 'object-list':
      return node.items.map(plain)
    case 'item':
      return [...node.keys.map((key) => key.text), plain(node.value)]
    case 'object':
      return plain(node.list)
    case 'list':
      return { list: node.elements.map(plain) }
    case 'literal':
      return node.value
    default:
      return node satisfies never
  }
}

const parsed = (text: string): unknown => plain(parseConfig(text))

function refusal(text: string): string {
  try {
    parseConfig(text)
  } catch (error) {
    if (error instanceof ConfigError && error.code === 'ERR_CONFIG_SYNTAX') return error.message
    throw error
  }
  return 'accepted'
}

describe('HCL: what is refused, with its position', () => {
  it.each([
    ['log_level = INFO', 'At 1:13: Unknown token: 1:13 IDENT INFO'],
    ['ca_ttl = 24h', "At 1:14: key 'h' expected start of object ('{') or assignment ('=')"],
    ['a b = 1', 'At 1:5: nested object expected: LBRACE got: ASSIGN'],
    ['= 1', 'At 1:1: no object keys found!'],
    ['a = 1 { }', 'At 1:7: expected: IDENT | STRING got: LBRACE'],
    ['a = [1 "x"]', 'At 1:8: error parsing list, expected comma or list end, got: STRING'],
    ['a = [1,', 'At 1:8: unexpected token while parsing list: EOF'],
    ['a {', 'At 1:5: object expected closing RBRACE got: EOF'],
    ['a { b }', "At 1:7: key 'b' expected start of object ('{') or assignment ('=')"],
    ['}', 'At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: RBRACE'],
    ['\ufeffa = 1', 'At 1:1: illegal char'],
    ["a = 'x'", 'At 1:5: illegal char'],
    ['a = 08081', 'At 1:10: illegal octal number'],
    ['a = 0x', 'At 1:7: illegal hexadecimal number'],
    ['a = "\\q"', 'At 1:7: illegal char escape'],
    ['a = "x\ny"', 'At 2:3: literal not terminated'],
    [`a = "a \${b"`, 'At 1:12: literal not terminated'],
    ['/* x', 'At 1:5: comment not terminated'],
    ['/ x', "At 1:1: expected '/' for comment"],
    ['a = <<EOF\nx\nEOF', 'At 3:4: heredoc not terminated'],
    ['a = <<\nx\n', 'At 1:7: zero-length heredoc anchor'],
    ['a = <<A B\nx\n', 'At 1:8: invalid characters in heredoc anchor'],
    ['a = <x', "At 1:6: heredoc expected second '<', didn't see it"],
    ['a = 1\u0000', 'At 1:6: unexpected null character (0x00)'],
  ])('%j', (text, message) => {
    expect(refusal(text)).toBe(message)
  })

  it('a tower of braces ends in an error, not in a full stack', () => {
    expect(refusal('a {'.repeat(100_000))).toMatch(/nest deeper than 200 levels/)
    expect(refusal(`a = ${'['.repeat(100_000)}`)).toMatch(/nest deeper than 200 levels/)
    expect(refusal('{"a":'.repeat(100_000))).toMatch(/nest deeper than 200 levels/)
  })

  it('bytes that are not UTF-8 are refused where they stand', () => {
    const bytes = Buffer.concat([Buffer.from('a = 1\nbé = "'), Buffer.of(0xff)])
    expect(() => decodeText(bytes)).toThrow('At 2:7: illegal UTF-8 encoding')
    expect(decodeText(Buffer.from('a = "\ufffd"'))).toBe('a = "\ufffd"')
  })
})

describe('HCL: what is accepted', () => {
  it('labels, nesting and assignment are the same thing written differently', () => {
    expect(parsed('A "b" { c = 1 }')).toEqual([['A', 'b', [['c', '1']]]])
    expect(parsed('A { b { c = 1 } }')).toEqual([['A', [['b', [['c', '1']]]]]])
    expect(parsed('A = { b = { c = 1 } }')).toEqual([['A', [['b', [['c', '1']]]]]])
  })

  it('comments of three styles, CRLF, commas or none, several items a line, trailing commas', () => {
    expect(parsed('# x\r\na = 1, b = 2 c = [1, 2,] // y\r\n/* z */ d = "e"')).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['c', { list: ['1', '2'] }],
      ['d', 'e'],
    ])
  })

  it('escapes become characters, interpolation stays as it is', () => {
    expect(parsed('a = "\\t\\x41\\101\\u00e9\\U0001F600\\xc3\\xa9"')).toEqual([['a', '\tAAé😀é']])
    expect(parsed(`a = "x \${b "c\\n" {d}} \\n"`)).toEqual([['a', `x \${b "c\\n" {d}} \n`]])
  })

  it('a heredoc keeps its last newline, and with a dash loses its indentation', () => {
    expect(parsed('a = <<X\n  b\n c\nX\n')).toEqual([['a', '  b\n c\n']])
    expect(parsed('a = <<-X\n  b\n   c\n  X\n')).toEqual([['a', 'b\n c\n']])
    expect(parsed('a = <<-X\n b\n   c\n  X\n')).toEqual([['a', ' b\n   c\n']])
  })

  it('a key without value at the very end is dropped, as SPIRE drops it', () => {
    expect(parsed('a = 1\nb =')).toEqual([['a', '1']])
  })
})

describe('JSON', () => {
  it('is recognised by its first character, and objects become labelled blocks', () => {
    const text = '\n {"a": {"b": {"c": {"d": 1}}, "e": [{"f": "2"}, {"f": "3"}]}}'
    expect(parsed(text)).toEqual([
      [
        'a',
        [
          ['b', 'c', [['d', '1']]],
          ['e', [['f', '2']]],
          ['e', [['f', '3']]],
        ],
      ],
    ])
    expect(parsed('{"a": {"b": {"c": 1}, "d": {}}}')).toEqual([
      ['a', 'b', [['c', '1']]],
      ['a', 'd', []],
    ])
  })

  it('is lenient where SPIRE is: surplus commas, a missing last brace, what follows the root', () => {
    expect(parsed('{"a": 1, "b": [1,,2,],')).toEqual([
      ['a', '1'],
      ['b', { list: ['1', '2'] }],
    ])
    expect(parsed('{"a": 1} whatever')).toEqual([['a', '1']])
    expect(parsed('{"a": 1 "b": 2}')).toEqual([['a', '1']])
    expect(parsed('{"a": null}')).toEqual([['a', '']])
  })

  it.each([
    ['{"a": x}', '1:7: illegal char'],
    ['{"a": 01}', '1:8: numbers cannot start with 0'],
    ['{"a" 1}', 'expected: STRING got: NUMBER'],
    ['{"a": :}', 'Expected object value, got unknown token: 1:7 COLON :'],
    ['{"a": "\\/"}', '1:9: illegal char escape'],
    ['{"a": "\\ud800"}', '1:7: illegal char escape'],
  ])('refuses %j', (text, message) => {
    expect(refusal(text)).toBe(message)
  })
})
