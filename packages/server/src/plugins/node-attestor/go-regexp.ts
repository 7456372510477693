import { RE2JS, RE2JSSyntaxException } from 're2js'

/** Where a pattern was found. */
export interface GoMatch {
  readonly text: string
  readonly start: number
  readonly end: number
  /** By number, the whole first; those that took no part are undefined. */
  readonly groups: readonly (string | undefined)[]
  readonly named: Readonly<Record<string, number>>
}

/**
 * A regular expression in the syntax of Go's `regexp`, which is RE2's: no back references, and a search takes time that
 * grows no faster than the text, whoever wrote that.
 */
export class GoRegExp {
  readonly #pattern: RE2JS

  private constructor(pattern: RE2JS) {
    this.#pattern = pattern
  }

  /** @throws {Error} as Go words it */
  static compile(source: string): GoRegExp {
    try {
      return new GoRegExp(RE2JS.compile(source))
    } catch (cause) {
      if (!(cause instanceof RE2JSSyntaxException)) throw cause
      const what = cause.getPattern() ?? source
      const text = `error parsing regexp: ${cause.getDescription()}: \`${what}\``
      throw new Error(text, { cause })
    }
  }

  /** Whether it is found anywhere. */
  test(text: string): boolean {
    return this.#pattern.matcher(text).find()
  }

  /** Matches from left to right that do not overlap, `limit` at most; all with a negative one. */
  findAll(text: string, limit = -1): readonly GoMatch[] {
    const matcher = this.#pattern.matcher(text)
    const found: GoMatch[] = []
    let previousEnd = -1
    for (let at = 0; at <= text.length && found.length !== limit; ) {
      if (!matcher.find(at)) break
      const [start, end] = [matcher.start(), matcher.end()]
      // An empty match right behind another is none.
      if (end > start || end !== previousEnd) {
        const groups = Array.from(
          { length: matcher.groupCount() + 1 },
          (_, group) => matcher.group(group) ?? undefined,
        )
        const named = this.#pattern.namedGroups()
        found.push({ text: text.slice(start, end), start, end, groups, named })
      }
      previousEnd = end
      at = end > at ? end : at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1)
    }
    return found
  }

  /** Puts others in the place of all matches: `$1`, `$name` and `${name}` stand for groups, `$$` for a dollar. */
  replaceAll(text: string, replacement: string): string {
    let result = ''
    let at = 0
    for (const match of this.findAll(text)) {
      result += text.slice(at, match.start) + expand(replacement, match)
      at = match.end
    }
    return result + text.slice(at)
  }

  /** What stands between the matches, in `limit` pieces at most; all with a negative one. */
  split(text: string, limit: number): readonly string[] {
    if (limit === 0) return []
    if (text === '' && this.#pattern.pattern() !== '') return ['']
    const pieces: string[] = []
    let [begin, end] = [0, 0]
    for (const match of this.findAll(text, limit)) {
      if (limit > 0 && pieces.length === limit - 1) break
      end = match.start
      if (match.end !== 0) pieces.push(text.slice(begin, end))
      begin = match.end
    }
    if (end !== text.length) pieces.push(text.slice(begin))
    return pieces
  }
}

function expand(template: string, { groups, named }: GoMatch): string {
  return template.replaceAll(
    /\$(?:(\$)|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu,
    (_, dollar, bare, braced) => {
      if (dollar !== undefined) return '$'
      const name: string = bare ?? braced
      const number = /^(?:0|[1-9]\d*)$/.test(name) ? Number(name) : (named[name] ?? -1)
      return groups[number] ?? ''
    },
  )
}
