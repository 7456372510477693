const special = /^[*#$@!?0-9-]$/

/**
 * Replaces `$NAME` and `${NAME}` in the whole text, comments included, by values of the environment; unset is empty.
 *
 * Values go in as they are: a quote in a secret ends the string it stands in. `$$` is a dollar sign, `${` without end and
 * `${}` vanish, `$` before anything else stays.
 */
export function expandEnvironment(
  text: string,
  lookUp: (name: string) => string | undefined,
): string {
  let expanded = ''
  let at = 0
  for (;;) {
    const dollar = text.indexOf('$', at)
    if (dollar < 0 || dollar + 1 >= text.length) return expanded + text.slice(at)
    expanded += text.slice(at, dollar)
    const { name, length } = readName(text, dollar + 1)
    if (name === '$') expanded += '$'
    else if (name !== '') expanded += lookUp(name) ?? ''
    else if (length === 0) expanded += '$'
    at = dollar + 1 + length
  }
}

function readName(text: string, at: number): { readonly name: string; readonly length: number } {
  const first = text[at] ?? ''
  if (first === '{') return readBracedName(text, at)
  if (special.test(first)) return { name: first, length: 1 }
  const name = /^[A-Za-z0-9_]*/.exec(text.slice(at, at + 4096))?.[0] ?? ''
  return { name, length: name.length }
}

function readBracedName(
  text: string,
  at: number,
): { readonly name: string; readonly length: number } {
  const inner = text[at + 1] ?? ''
  if (special.test(inner) && text[at + 2] === '}') return { name: inner, length: 3 }
  const end = text.indexOf('}', at + 1)
  if (end < 0) return { name: '', length: 1 }
  return { name: text.slice(at + 1, end), length: end + 1 - at }
}
