import type { ObjectList } from './ast.ts'
import type { UnknownKey } from './schema.ts'

/** Whether two keys are the same: case is folded. */
export function isSameKey(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase()
}

/**
 * The keys of a block that are not among the known ones.
 *
 * SPIRE's own check looks at labels too, but only in the first item of a block, and never at quoted HCL keys; what it
 * would miss is listed all the same and marked.
 */
export function findUnknownKeys(list: ObjectList, known: readonly string[]): readonly UnknownKey[] {
  const present = known.filter((key) =>
    list.items.some((item) => item.keys[0] !== undefined && isSameKey(item.keys[0].text, key)),
  )
  const isUsed = (text: string): boolean => present.some((key) => isSameKey(key, text))
  const found = new Map<string, UnknownKey>()
  const note = (key: UnknownKey): void => {
    const before = found.get(key.key)
    if (!before || (key.isReportedBySpire && !before.isReportedBySpire)) found.set(key.key, key)
  }
  for (const [index, item] of list.items.entries()) {
    const isSeen = index === 0 || item.keys.length === 1
    for (const [depth, key] of item.keys.entries()) {
      if (isUsed(key.text)) continue
      const isReportedBySpire = isSeen && key.isReportable
      // A label is not a key; it is listed only because SPIRE's check takes it for one.
      if (depth > 0 && !isReportedBySpire) continue
      note({ key: key.text, position: key.source, isReportedBySpire })
    }
  }
  return [...found.values()]
}

/** The known key that an unknown one most likely was meant to be, or undefined when none is close. */
export function nearestKey(key: string, known: readonly string[]): string | undefined {
  const limit = Math.min(key.length - 1, Math.max(2, Math.floor(key.length / 3)))
  let best: { readonly key: string; readonly distance: number } | undefined
  for (const candidate of known) {
    const distance = editDistance(key.toLowerCase(), candidate.toLowerCase())
    if (distance <= limit && (!best || distance < best.distance))
      best = { key: candidate, distance }
  }
  return best?.key
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const removed = (previous[column] ?? 0) + 1
      const added = (current[column - 1] ?? 0) + 1
      current.push(Math.min(replaced, removed, added))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
