import type { ListNode, LiteralNode, ObjectItem, ObjectList, ObjectNode } from '../ast.ts'

/**
 * Makes JSON look like blocks: an object whose members are all objects becomes labelled blocks, a list of objects the
 * block repeated, at every level.
 */
export function flatten(list: ObjectList): ObjectList {
  return { kind: 'object-list', items: list.items.flatMap(flattenItem).map(descend) }
}

function flattenItem(item: ObjectItem): readonly ObjectItem[] {
  const { keys, value } = item
  if (value.kind === 'object') {
    const { items } = value.list
    if (items.length === 0 || !items.every((inner) => inner.value.kind === 'object')) return [item]
    return items.flatMap((inner) =>
      flattenItem({ kind: 'item', keys: [...keys, ...inner.keys], value: inner.value }),
    )
  }
  if (value.kind === 'list' && value.elements.length > 0) {
    if (!value.elements.every((element) => element.kind === 'object')) return [item]
    return value.elements.flatMap((element) => flattenItem({ kind: 'item', keys, value: element }))
  }
  return [item]
}

function descend(item: ObjectItem): ObjectItem {
  return { kind: 'item', keys: item.keys, value: descendValue(item.value) }
}

function descendValue<T extends ObjectNode | ListNode | LiteralNode>(
  value: T,
): ObjectNode | ListNode | LiteralNode {
  switch (value.kind) {
    case 'object':
      return { kind: 'object', position: value.position, list: flatten(value.list) }
    case 'list':
      return {
        kind: 'list',
        position: value.position,
        elements: value.elements.map((element) => descendValue(element)),
      }
    default:
      return value
  }
}
