import { quoteGo } from '../go-quote.ts'
import type { Key, LiteralNode, Node, ObjectItem, ObjectList } from './ast.ts'

/**
 * Writes a parsed section as HCL 1, also when it was read from JSON: what `plugin_data` is handed to other programs as.
 *
 * The text decodes to what the node decodes to; spaces, comments and line numbers are not kept.
 */
export function printHcl(node: Node | undefined): string {
  return node === undefined ? '' : printItems(itemsOf(node), '')
}

function itemsOf(node: Node): readonly ObjectItem[] {
  switch (node.kind) {
    case 'object-list':
      return node.items
    case 'object':
      return node.list.items
    case 'item':
      return node.value.kind === 'literal' ? [node] : itemsOf(node.value)
    case 'list':
      return node.elements.flatMap(itemsOf)
    case 'literal':
      return []
    default:
      return node satisfies never
  }
}

function printItems(items: readonly ObjectItem[], indentation: string): string {
  return items.map((item) => `${indentation}${printItem(item, indentation)}\n`).join('')
}

function printItem({ keys, value }: ObjectItem, indentation: string): string {
  const path = keys.map(printKey).join(' ')
  const sign = value.kind === 'object' ? ' ' : ' = '
  return `${path}${sign}${printValue(value, indentation)}`
}

/** Quoted keys are invisible to checks for unknown keys: they stay quoted, and the others bare. */
function printKey({ text, isReportable }: Key): string {
  return isReportable && /^[A-Za-z_][\w.-]*$/.test(text) ? text : quoteGo(text)
}

function printValue(value: ObjectItem['value'], indentation: string): string {
  switch (value.kind) {
    case 'object':
      return printObject(value.list, indentation)
    case 'list': {
      const inner = `${indentation}  `
      const elements = value.elements.map((element) => `${inner}${printValue(element, inner)},\n`)
      return elements.length === 0 ? '[]' : `[\n${elements.join('')}${indentation}]`
    }
    case 'literal':
      return printLiteral(value)
    default:
      return value satisfies never
  }
}

function printObject(list: ObjectList, indentation: string): string {
  return list.items.length === 0
    ? '{}'
    : `{\n${printItems(list.items, `${indentation}  `)}${indentation}}`
}

/** HCL's strings are written as they stand, for `\${…}` in them has rules of its own; JSON's escapes are not all HCL's. */
function printLiteral({ type, text, value, position }: LiteralNode): string {
  if (type === 'heredoc') return quoteGo(value)
  return type === 'string' && position.line === 0 ? quoteGo(value) : text
}
