/**
 * A hash of the bytes from `start` to `end`: FNV-1a, then mixed so that every bit of it depends on every byte.
 *
 * @param seed the same bytes hash otherwise under another seed, so that nobody outside can aim at one place
 */
export function hashOfSpan(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** Whether the bytes from `aStart` to `aEnd` of one array are those from `bStart` to `bEnd` of another. */
export function isSameSpan(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): boolean {
  const length = aEnd - aStart
  if (length !== bEnd - bStart) return false
  for (let at = 0; at < length; at++) if (a[aStart + at] !== b[bStart + at]) return false
  return true
}
