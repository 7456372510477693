/** How long the code of each byte is, and at last that of the end (RFC 7541, Appendix B). The code is canonical: lengths say all. */
// biome-ignore format: sixteen in a row, as bytes are.
const codeLengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]

const endSymbol = 256
const longestCode = 30
const shortestCode = 5

/** The codes of one length are consecutive: the first of them, how many there are, and where their symbols begin. */
interface CodeLength {
  readonly first: number
  readonly count: number
  readonly at: number
}

const symbols: readonly number[] = codeLengths
  .map((_, symbol) => symbol)
  .sort((a, b) => (codeLengths[a] ?? 0) - (codeLengths[b] ?? 0) || a - b)
const byLength: readonly CodeLength[] = canonicalLengths()

function canonicalLengths(): readonly CodeLength[] {
  const lengths: CodeLength[] = []
  let [first, at] = [0, 0]
  for (let length = 0; length <= longestCode; length++) {
    const count = codeLengths.filter((each) => each === length).length
    lengths.push({ first, count, at })
    first = (first + count) << 1
    at += count
  }
  return lengths
}

/**
 * Decodes what Huffman's code made shorter (RFC 7541, 5.2).
 *
 * @returns undefined for an end amid the text, and for padding that is not the beginning of that, or a byte long
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  const decoded = Buffer.allocUnsafe(Math.floor(((end - start) * 8) / shortestCode))
  let [written, code, length] = [0, 0, 0]
  for (let index = start; index < end; index++) {
    const byte = bytes[index] ?? 0
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1)
      length++
      const { first, count, at } = byLength[length] as CodeLength
      const nth = code - first
      if (nth >= count || nth < 0) continue
      const symbol = symbols[at + nth] ?? endSymbol
      if (symbol === endSymbol) return undefined
      decoded[written++] = symbol
      code = length = 0
    }
  }
  const isPadding = length < 8 && code === 2 ** length - 1
  return isPadding ? decoded.toString('latin1', 0, written) : undefined
}
