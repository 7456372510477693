import { quoteGo } from '@mini-spire/runtime/go-quote'
import { printValue, type TemplateValue, typeNameOf } from './template-value.ts'

const directive = /%([-+# 0]*)(\d+)?(?:\.(\d+))?([\s\S]?)/gu
const maxWidth = 1000

/** Formats as Go's `fmt.Sprintf`, for what templates can hold. */
export function sprintf(format: string, args: readonly TemplateValue[]): string {
  let next = 0
  const text = format.replaceAll(directive, (_, flags, width, precision, verb) => {
    if (verb === '%') return '%'
    if (verb === '') return '%!(NOVERB)'
    const value = args[next++]
    if (value === undefined) return `%!${verb}(MISSING)`
    const wanted = Math.min(Number(width ?? 0), maxWidth)
    return padded(directiveText(value, verb, flags, precision), wanted, flags)
  })
  const extra = args.slice(next)
  if (extra.length === 0) return text
  const shown = extra.map((value) =>
    value === null ? '<nil>' : `${typeNameOf(value)}=${printValue(value)}`,
  )
  return `${text}%!(EXTRA ${shown.join(', ')})`
}

function directiveText(
  value: TemplateValue,
  verb: string,
  flags: string,
  precision: string | undefined,
): string {
  if (verb === 'v') return printValue(value)
  if (verb === 'T') return typeNameOf(value)
  const text =
    typeof value === 'string'
      ? stringText(value, verb, precision)
      : typeof value === 'number'
        ? numberText(value, verb, precision)
        : typeof value === 'boolean' && verb === 't'
          ? String(value)
          : Array.isArray(value)
            ? `[${value.map((one) => directiveText(one, verb, flags, precision)).join(' ')}]`
            : undefined
  if (text === undefined) {
    const what = value === null ? '<nil>' : `${typeNameOf(value)}=${printValue(value)}`
    return `%!${verb}(${what})`
  }
  const isSigned = typeof value === 'number' && value >= 0 && verb === 'd'
  if (isSigned && flags.includes('+')) return `+${text}`
  return isSigned && flags.includes(' ') ? ` ${text}` : text
}

function stringText(
  value: string,
  verb: string,
  precision: string | undefined,
): string | undefined {
  const cut = precision === undefined ? value : [...value].slice(0, Number(precision)).join('')
  switch (verb) {
    case 's':
      return cut
    case 'q':
      return quoteGo(cut)
    case 'x':
      return Buffer.from(cut).toString('hex')
    case 'X':
      return Buffer.from(cut).toString('hex').toUpperCase()
    default:
      return undefined
  }
}

const bases: Readonly<Record<string, number>> = { d: 10, x: 16, X: 16, o: 8, b: 2 }

function numberText(
  value: number,
  verb: string,
  precision: string | undefined,
): string | undefined {
  if (!Number.isInteger(value)) {
    return verb === 'f' || verb === 'g' ? value.toFixed(Number(precision ?? 6)) : undefined
  }
  if (verb === 'c') return String.fromCodePoint(value)
  const base = bases[verb]
  if (base === undefined) return undefined
  const text = value.toString(base)
  return verb === 'X' ? text.toUpperCase() : text
}

function padded(text: string, width: number, flags: string): string {
  if (flags.includes('-')) return text.padEnd(width)
  if (!flags.includes('0')) return text.padStart(width)
  const sign = /^[-+]/.exec(text)?.[0] ?? ''
  return sign + text.slice(sign.length).padStart(width - sign.length, '0')
}
