/** One token of an action. `offset` is where it stands in the template. */
export interface Token {
  readonly text: string
  readonly offset: number
  readonly afterSpace: boolean
}

/** Literal text, or what stands between two pairs of braces. */
export type TemplatePart = string | readonly Token[]

/** What a template may have at most; a longer one is a mistake. */
const maxTokens = 5000

const quoted = String.raw`"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'|\x60[^\x60]*\x60`
const digits = String.raw`0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?`
const tokenPattern = new RegExp(
  String.raw`(\s+)|(${quoted}|\$\w*|\.[\p{L}_][\p{L}\p{Nd}_]*|[\p{L}_][\p{L}\p{Nd}_]*|[+-]?(?:${digits})(?![\p{L}\p{Nd}_])|:=|[=,.()|])`,
  'uy',
)

/**
 * Splits a template into literal text and the tokens of its actions, comments left out and white space trimmed where
 * markers say so.
 *
 * @throws {Error} saying what is not understood
 */
export function splitTemplate(source: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = []
  let rest = 0
  let trimNext = false
  let count = 0
  for (;;) {
    const open = source.indexOf('{{', rest)
    const trimsBefore = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4))
    let text = source.slice(rest, open < 0 ? undefined : open)
    if (trimNext) text = text.trimStart()
    if (trimsBefore) text = text.trimEnd()
    if (text !== '') parts.push(text)
    if (open < 0) return parts
    const start = open + (trimsBefore ? 3 : 2)
    const { tokens, end, trimsAfter } = readComment(source, start) ?? readAction(source, start)
    trimNext = trimsAfter
    rest = end
    count += tokens.length + 1
    if (count > maxTokens) throw new Error('template is too long')
    if (tokens.length > 0 || source.slice(start, end).trim() === '}}') parts.push(tokens)
  }
}

interface Action {
  readonly tokens: readonly Token[]
  readonly end: number
  readonly trimsAfter: boolean
}

function readComment(source: string, start: number): Action | undefined {
  const match = /^\s*\/\*[\s\S]*?\*\/(\s-)?\}\}/.exec(source.slice(start))
  if (!match) return undefined
  return { tokens: [], end: start + match[0].length, trimsAfter: match[1] !== undefined }
}

function readAction(source: string, start: number): Action {
  const tokens: Token[] = []
  let afterSpace = true
  for (let at = start; ; ) {
    const close = /^(\s-)?\}\}/.exec(source.slice(at, at + 4))
    if (close) return { tokens, end: at + close[0].length, trimsAfter: close[1] !== undefined }
    tokenPattern.lastIndex = at
    const match = tokenPattern.exec(source)
    if (!match) throw new Error(at >= source.length ? 'unclosed action' : 'unexpected character')
    if (match[2] !== undefined) tokens.push({ text: match[2], offset: at, afterSpace })
    afterSpace = match[1] !== undefined
    at += match[0].length
  }
}
