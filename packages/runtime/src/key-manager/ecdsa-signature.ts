import { DerCursor, derTag } from '@mini-spire/sdk/x509'

/**
 * Writes an ECDSA signature as JOSE has it, r and s side by side, from its DER form.
 *
 * @param bytes length of each of the two numbers
 * @returns undefined when it is no such signature
 */
export function p1363FromDer(signature: Uint8Array, bytes: number): Buffer | undefined {
  const sides = Buffer.alloc(2 * bytes)
  try {
    const outer = DerCursor.over(signature)
    const numbers = outer.enter(derTag.sequence)
    outer.finish()
    const r = numbers.content(numbers.take(derTag.integer))
    const s = numbers.content(numbers.take(derTag.integer))
    numbers.finish()
    const areThere = writeAtEnd(sides.subarray(0, bytes), r) && writeAtEnd(sides.subarray(bytes), s)
    return areThere ? sides : undefined
  } catch {
    return undefined
  }
}

/** Writes a number without its leading zero; false: it is too long. */
function writeAtEnd(into: Buffer, number: Buffer): boolean {
  const from = number[0] === 0 ? 1 : 0
  const at = into.length - (number.length - from)
  if (at < 0) return false
  number.copy(into, at, from)
  return true
}
