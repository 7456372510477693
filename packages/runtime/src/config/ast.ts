/** Where something stands in a file: 1-based line and column, a tab counts as one. Line 0: unknown (JSON). */
export interface Position {
  readonly line: number
  readonly column: number
}

/** The position of what has none. */
export const unknownPosition: Position = { line: 0, column: 0 }

/** The printed form, `12:5`, or `-` when unknown. */
export function formatPosition(position: Position): string {
  return position.line > 0 ? `${position.line}:${position.column}` : '-'
}

/** One key of an item. */
export interface Key {
  readonly text: string
  /** Where SPIRE's messages say it is: unknown in JSON. */
  readonly position: Position
  /** Where it is. */
  readonly source: Position
  /** Whether SPIRE's check for unknown keys sees it: quoted HCL keys never are. */
  readonly isReportable: boolean
}

/** A key path and its value: `a = 1` has one key, `a "b" { }` two. */
export interface ObjectItem {
  readonly kind: 'item'
  readonly keys: readonly Key[]
  readonly value: ObjectNode | ListNode | LiteralNode
}

/** The content of a file or of braces, in the order it was written. */
export interface ObjectList {
  readonly kind: 'object-list'
  readonly items: readonly ObjectItem[]
}

/** A value in braces. */
export interface ObjectNode {
  readonly kind: 'object'
  readonly position: Position
  readonly list: ObjectList
}

/** A value in brackets. */
export interface ListNode {
  readonly kind: 'list'
  readonly position: Position
  readonly elements: readonly (ObjectNode | ListNode | LiteralNode)[]
}

/** A single value: its source text, and the string it stands for when it is one. */
export interface LiteralNode {
  readonly kind: 'literal'
  readonly type: 'number' | 'float' | 'bool' | 'string' | 'heredoc'
  readonly position: Position
  readonly text: string
  /** The text without quotes and escapes; for other types the text itself. */
  readonly value: string
}

/** Anything a decoder may be handed. */
export type Node = ObjectItem | ObjectList | ObjectNode | ListNode | LiteralNode

/** Where a node begins; an empty object list begins nowhere. */
export function positionOf(node: Node): Position {
  switch (node.kind) {
    case 'item':
      return node.keys[0]?.position ?? unknownPosition
    case 'object-list':
      return node.items[0] ? positionOf(node.items[0]) : unknownPosition
    case 'object':
    case 'list':
    case 'literal':
      return node.position
    default:
      return node satisfies never
  }
}
