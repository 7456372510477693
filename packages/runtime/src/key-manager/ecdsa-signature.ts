import { DerCursor, derTag } from '@mini-spire/sdk/x509'

/**
 * Writes an ECDSA signature as JOSE has it, r and s side by side, from its DER form.
 *
 * @param bytes length of each of the two numbers
 * @returns undefined when it is no such signature
 */
export function p1363FromDer(signature: Uint8Array, bytes: number): Buffer | undefined {
  try {
    const outer = DerCursor.over(signature)
    const numbers = outer.enter(derTag.sequence)
    outer.finish()
    const sides = [0, 1].map(() =>
      fixedLength(numbers.content(numbers.take(derTag.integer)), bytes),
    )
    numbers.finish()
    const [r, s] = sides
    return r && s && Buffer.concat([r, s])
  } catch {
    return undefined
  }
}

function fixedLength(number: Buffer, bytes: number): Buffer | undefined {
  const magnitude = number[0] === 0 ? number.subarray(1) : number
  if (magnitude.length > bytes) return undefined
  return Buffer.concat([Buffer.alloc(bytes - magnitude.length), magnitude])
}
