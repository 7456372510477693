import {
  formatPosition,
  type Key,
  type ListNode,
  type LiteralNode,
  type ObjectItem,
  type ObjectList,
  type ObjectNode,
  type Position,
} from '../ast.ts'
import { ConfigError } from '../config-error.ts'
import { unquote } from '../unquote.ts'
import { heredocValue } from './heredoc.ts'
import { formatToken, HclScanner, type HclToken } from './scanner.ts'

/** A block or list deeper than this is refused; people write three or four levels. */
const maxDepth = 200

const literalTypes: Readonly<Record<string, LiteralNode['type']>> = {
  NUMBER: 'number',
  FLOAT: 'float',
  BOOL: 'bool',
  STRING: 'string',
  HEREDOC: 'heredoc',
}

/**
 * Parses HCL 1 as SPIRE does, its leniencies and messages included. Repeated keys are kept, the decoder decides.
 *
 * @throws {ConfigError} `ERR_CONFIG_SYNTAX`, `At <line>:<column>: <what>`
 */
export function parseHcl(text: string): ObjectList {
  const parser = new HclParser(text.replaceAll('\r\n', '\n'))
  return parser.parse()
}

class HclParser {
  readonly #scanner: HclScanner
  #token: HclToken = { type: 'EOF', position: { line: 0, column: 0 }, text: '' }
  #isUnread = false
  #depth = 0

  constructor(text: string) {
    this.#scanner = new HclScanner(text)
  }

  parse(): ObjectList {
    try {
      const list = this.#objectList(false)
      this.#throwScanError()
      return list
    } catch (error) {
      this.#throwScanError()
      throw error
    }
  }

  /** What the scanner found wrong explains more than what the parser stumbled over because of it. */
  #throwScanError(): void {
    const found = this.#scanner.reader.lastError
    if (found) throw syntaxError(found.position, found.message)
  }

  #scan(): HclToken {
    if (this.#isUnread) {
      this.#isUnread = false
      return this.#token
    }
    do this.#token = this.#scanner.scan()
    while (this.#token.type === 'COMMENT')
    return this.#token
  }

  #peek(): HclToken {
    const token = this.#scan()
    this.#isUnread = true
    return token
  }

  #objectList(isInBraces: boolean): ObjectList {
    const items: ObjectItem[] = []
    for (;;) {
      if (isInBraces && this.#peek().type === 'RBRACE') break
      const item = this.#objectItem()
      if (!item) break
      items.push(item)
      if (this.#peek().type === 'COMMA') this.#scan()
    }
    return { kind: 'object-list', items }
  }

  /** Undefined at the end of the text, even when a key and `=` stand before it. */
  #objectItem(): ObjectItem | undefined {
    const keys = this.#objectKeys()
    if (!keys) return undefined
    switch (this.#token.type) {
      case 'ASSIGN': {
        const value = this.#value()
        return value && { kind: 'item', keys, value }
      }
      case 'LBRACE':
        return { kind: 'item', keys, value: this.#object() }
      default: {
        const path = keys.map((key) => key.raw).join(' ')
        throw syntaxError(
          this.#token.position,
          `key '${path}' expected start of object ('{') or assignment ('=')`,
        )
      }
    }
  }

  #objectKeys(): readonly RawKey[] | undefined {
    const keys: RawKey[] = []
    for (;;) {
      const token = this.#scan()
      switch (token.type) {
        case 'EOF':
          return keys.length > 0 ? keys : undefined
        case 'ASSIGN':
          if (keys.length > 1) {
            throw syntaxError(token.position, 'nested object expected: LBRACE got: ASSIGN')
          }
          if (keys.length === 0) throw syntaxError(token.position, 'no object keys found!')
          return keys
        case 'LBRACE':
          if (keys.length === 0) {
            throw syntaxError(token.position, 'expected: IDENT | STRING got: LBRACE')
          }
          return keys
        case 'IDENT':
        case 'STRING':
          keys.push(this.#key(token))
          break
        case 'RBRACE':
          if (keys.length > 0) return keys
          throw unexpectedKey(token)
        case 'ILLEGAL':
          // SPIRE goes on to complain about the keys before it; the scanner's finding wins either way.
          throw syntaxError(token.position, 'illegal character')
        default:
          throw unexpectedKey(token)
      }
    }
  }

  #key(token: HclToken): RawKey {
    const text = token.type === 'STRING' ? this.#unquoted(token) : token.text
    return {
      text,
      raw: token.text,
      position: token.position,
      source: token.position,
      isReportable: token.type === 'IDENT',
    }
  }

  #value(): ObjectItem['value'] | undefined {
    const token = this.#scan()
    if (literalTypes[token.type]) return this.#literal(token)
    switch (token.type) {
      case 'LBRACE':
        return this.#object()
      case 'LBRACK':
        return this.#list()
      case 'EOF':
        return undefined
      default:
        throw syntaxError(token.position, `Unknown token: ${formatToken(token)}`)
    }
  }

  #object(): ObjectNode {
    const { position } = this.#token
    this.#enter(position)
    const list = this.#objectList(true)
    const end = this.#scan()
    if (end.type !== 'RBRACE') {
      throw syntaxError(end.position, `object expected closing RBRACE got: ${end.type}`)
    }
    this.#depth--
    return { kind: 'object', position, list }
  }

  #list(): ListNode {
    const { position } = this.#token
    this.#enter(position)
    const elements: (ObjectNode | ListNode | LiteralNode)[] = []
    let needsComma = false
    for (;;) {
      const token = this.#scan()
      if (needsComma && token.type !== 'COMMA' && token.type !== 'RBRACK') {
        throw syntaxError(
          token.position,
          `error parsing list, expected comma or list end, got: ${token.type}`,
        )
      }
      if (token.type === 'RBRACK') {
        this.#depth--
        return { kind: 'list', position, elements }
      }
      if (token.type === 'COMMA') needsComma = false
      // A list within a list needs no comma after it: SPIRE forgets to ask for one.
      else if (token.type === 'LBRACK') elements.push(this.#nested('list', token))
      else {
        elements.push(this.#element(token))
        needsComma = true
      }
    }
  }

  #element(token: HclToken): ObjectNode | ListNode | LiteralNode {
    if (literalTypes[token.type]) return this.#literal(token)
    if (token.type === 'LBRACE') return this.#nested('object', token)
    throw syntaxError(token.position, `unexpected token while parsing list: ${token.type}`)
  }

  #nested(what: 'object' | 'list', token: HclToken): ObjectNode | ListNode {
    try {
      return what === 'object' ? this.#object() : this.#list()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      throw syntaxError(
        token.position,
        `error while trying to parse ${what} within list: ${error.message}`,
      )
    }
  }

  #literal(token: HclToken): LiteralNode {
    const type = literalTypes[token.type] ?? 'string'
    const value =
      type === 'string'
        ? this.#unquoted(token)
        : type === 'heredoc' && token.text.includes('\n')
          ? heredocValue(token.text)
          : token.text
    return { kind: 'literal', type, position: token.position, text: token.text, value }
  }

  #unquoted(token: HclToken): string {
    const value = unquote(token.text, { hasInterpolation: true })
    if (value === undefined && !this.#scanner.reader.lastError) {
      throw syntaxError(token.position, 'illegal char escape')
    }
    return value ?? ''
  }

  #enter(position: Position): void {
    if (++this.#depth > maxDepth) {
      throw syntaxError(position, `blocks and lists nest deeper than ${maxDepth} levels`)
    }
  }
}

interface RawKey extends Key {
  readonly raw: string
}

function unexpectedKey(token: HclToken): ConfigError {
  return syntaxError(
    token.position,
    `expected: IDENT | STRING | ASSIGN | LBRACE got: ${token.type}`,
  )
}

function syntaxError(position: Position, what: string): ConfigError {
  return new ConfigError('ERR_CONFIG_SYNTAX', `At ${formatPosition(position)}: ${what}`)
}
