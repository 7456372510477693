/**
 * The value of a heredoc token: the lines between the two anchors. With `<<-`, the closing anchor's indentation is taken
 * from every line, if every line has it.
 */
export function heredocValue(token: string): string {
  const anchorLength = token.indexOf('\n')
  if (token[2] !== '-') return token.slice(anchorLength + 1, token.length - anchorLength + 1)
  const lines = token.slice(anchorLength + 1, token.length - anchorLength + 2).split('\n')
  const indentation = lines.at(-1) ?? ''
  if (!lines.every((line) => line.startsWith(indentation))) {
    return token.slice(anchorLength + 1, token.length - anchorLength + 1).replace(/[ \t]+$/, '')
  }
  return [...lines.slice(0, -1).map((line) => line.slice(indentation.length)), ''].join('\n')
}
