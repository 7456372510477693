import {
  formatPosition,
  type Key,
  type ListNode,
  type LiteralNode,
  type ObjectItem,
  type ObjectList,
  type ObjectNode,
  unknownPosition,
} from '../ast.ts'
import { ConfigError } from '../config-error.ts'
import { unquote } from '../unquote.ts'
import { flatten } from './flatten.ts'
import { formatJsonToken, JsonScanner, type JsonToken } from './scanner.ts'

/** An object or list deeper than this is refused. */
const maxDepth = 200

const literalTypes: Readonly<Record<string, LiteralNode['type']>> = {
  NUMBER: 'number',
  FLOAT: 'float',
  BOOL: 'bool',
  STRING: 'string',
  NULL: 'string',
}

/** Ends the object being read, as the end of the text does in SPIRE. */
class EndOfText extends Error {}

/**
 * Parses JSON as SPIRE's configuration reader does: into blocks, with its leniencies (a missing final brace, surplus
 * commas, anything after the root object; a missing comma drops the rest of its object).
 *
 * @throws {ConfigError} `ERR_CONFIG_SYNTAX`
 */
export function parseJson(text: string): ObjectList {
  const parser = new JsonParser(text)
  return flatten(parser.parse())
}

class JsonParser {
  readonly #scanner: JsonScanner
  #token: JsonToken = { type: 'EOF', position: unknownPosition, text: '' }
  #depth = 0

  constructor(text: string) {
    this.#scanner = new JsonScanner(text)
  }

  parse(): ObjectList {
    let list: ObjectList
    try {
      const token = this.#scan()
      if (token.type !== 'LBRACE') {
        throw syntaxError(`Expected object, got unknown token: ${formatJsonToken(token)}`)
      }
      list = this.#object().list
    } catch (error) {
      this.#throwScanError()
      throw error instanceof EndOfText ? syntaxError('EOF token found') : error
    }
    this.#throwScanError()
    return list
  }

  #throwScanError(): void {
    const found = this.#scanner.reader.lastError
    if (found) throw syntaxError(`${formatPosition(found.position)}: ${found.message}`)
  }

  #scan(): JsonToken {
    this.#token = this.#scanner.scan()
    return this.#token
  }

  #object(): ObjectNode {
    this.#enter()
    const items: ObjectItem[] = []
    try {
      do items.push(this.#item())
      while (this.#scan().type === 'COMMA')
    } catch (error) {
      // A closing brace where a key should be: an empty object, or a surplus comma before it.
      const hasEnded = error instanceof EndOfText || this.#token.type === 'RBRACE'
      if (!hasEnded) throw error
    }
    this.#depth--
    return { kind: 'object', position: unknownPosition, list: { kind: 'object-list', items } }
  }

  #item(): ObjectItem {
    const keys: Key[] = []
    for (;;) {
      const token = this.#scan()
      if (token.type === 'EOF') throw new EndOfText()
      if (token.type === 'COLON' && keys.length > 0) break
      if (token.type === 'ILLEGAL') throw syntaxError('illegal')
      if (token.type !== 'STRING') throw syntaxError(`expected: STRING got: ${token.type}`)
      keys.push({
        text: this.#unquoted(token),
        position: unknownPosition,
        source: token.position,
        isReportable: true,
      })
    }
    return { kind: 'item', keys, value: this.#value() }
  }

  #value(): ObjectItem['value'] {
    const token = this.#scan()
    if (literalTypes[token.type]) return this.#literal(token)
    switch (token.type) {
      case 'LBRACE':
        return this.#object()
      case 'LBRACK':
        return this.#list()
      case 'EOF':
        throw new EndOfText()
      default:
        throw syntaxError(`Expected object value, got unknown token: ${formatJsonToken(token)}`)
    }
  }

  #list(): ListNode {
    const elements: (ObjectNode | LiteralNode)[] = []
    for (;;) {
      const token = this.#scan()
      switch (token.type) {
        case 'NUMBER':
        case 'FLOAT':
        case 'STRING':
          elements.push(this.#literal(token))
          break
        case 'LBRACE':
          elements.push(this.#object())
          break
        case 'COMMA':
        case 'BOOL':
          break
        case 'LBRACK':
          // SPIRE does not see a list in a list: its elements join the outer one, and its end is the outer one's.
          break
        case 'RBRACK':
          return { kind: 'list', position: unknownPosition, elements }
        default:
          throw syntaxError(`unexpected token while parsing list: ${token.type}`)
      }
    }
  }

  #literal(token: JsonToken): LiteralNode {
    const value = token.type === 'STRING' ? this.#unquoted(token) : token.text
    const isNull = token.type === 'NULL'
    return {
      kind: 'literal',
      type: literalTypes[token.type] ?? 'string',
      position: unknownPosition,
      text: isNull ? '' : token.text,
      value: isNull ? '' : value,
    }
  }

  #unquoted(token: JsonToken): string {
    const value = unquote(token.text, { hasInterpolation: false })
    if (value === undefined && !this.#scanner.reader.lastError) {
      throw syntaxError(`${formatPosition(token.position)}: illegal char escape`)
    }
    return value ?? ''
  }

  #enter(): void {
    if (++this.#depth > maxDepth) {
      throw syntaxError(`objects nest deeper than ${maxDepth} levels`)
    }
  }
}

function syntaxError(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_SYNTAX', message)
}
