import { type TemplateFunction, taking } from './function-signature.ts'

/** The functions of sprig that look at words and their letters. */
export const wordFunctions: readonly (readonly [string, TemplateFunction])[] = [
  ['title', taking(['string'], titled)],
  [
    'untitle',
    taking(['string'], (value) => value.replaceAll(/(?<!\S)\S/gu, (one) => one.toLowerCase())),
  ],
  ['nospace', taking(['string'], (value) => value.replaceAll(/\s/g, ''))],
  [
    'initials',
    taking(['string'], (value) =>
      value
        .split(/\s+/)
        .map((word) => word.slice(0, 1))
        .join(''),
    ),
  ],
  [
    'swapcase',
    taking(['string'], (value) =>
      value.replaceAll(/\p{L}/gu, (one) =>
        one === one.toLowerCase() ? one.toUpperCase() : one.toLowerCase(),
      ),
    ),
  ],
  ['snakecase', taking(['string'], (value) => joined(value, '_'))],
  ['kebabcase', taking(['string'], (value) => joined(value, '-'))],
  ['camelcase', taking(['string'], camelCase)],
  ['wrap', taking(['int', 'string'], (width, value) => wrap(value, width, '\n', false))],
  [
    'wrapWith',
    taking(['int', 'string', 'string'], (width, separator, value) =>
      wrap(value, width, separator === '' ? '\n' : separator, true),
    ),
  ],
]

/** Upper case for each letter that follows none of a word: letters, digits and `_` do not end one. */
function titled(value: string): string {
  return value.replaceAll(/(?<![\p{L}\p{Nd}_])\p{L}/gu, (one) => one.toUpperCase())
}

type WordKind = 'connector' | 'punctuation' | 'capitals' | 'letters' | 'digits' | 'other'

const kinds: readonly WordKind[] = [
  'connector',
  'punctuation',
  'capitals',
  'letters',
  'digits',
  'other',
]
/** The last capital of several belongs to the letters behind it: `HTTPStatus` is two words. */
const wordPattern =
  /([-_\s]+)|(\p{P}+)|(\p{Lu}+(?=\p{Lu}(?!\p{Lu})\p{L})|\p{Lu}(?:(?!\p{Lu})\p{L})+|\p{Lu}+)|((?:(?!\p{Lu})\p{L})+)|(\p{N}+)|([^-_\s\p{P}\p{L}\p{N}]+)/gu

interface Word {
  readonly kind: WordKind
  readonly text: string
}

function wordsOf(value: string): readonly Word[] {
  return [...value.matchAll(wordPattern)].map((match) => {
    const kind = kinds.find((_, at) => match[at + 1] !== undefined) ?? 'other'
    return { kind, text: match[0] }
  })
}

/** Words in lower case with a connector between them; digits stay with the word before, unless letters follow them. */
function joined(value: string, connector: string): string {
  const words = wordsOf(value)
  let text = ''
  let at = 0
  const isWord = (word: Word | undefined): boolean =>
    word !== undefined && word.kind !== 'connector' && word.kind !== 'punctuation'
  const put = ({ kind, text: own }: Word): void => {
    at++
    if (kind === 'connector') text += connector.repeat([...own].length)
    else text += kind === 'capitals' ? own.toLowerCase() : own
  }
  /** Digits, and the letters and digits that follow them without a break. */
  const putNumber = (first: Word): void => {
    put(first)
    for (let next = words[at]; next && /^(?:letters|digits)$/.test(next.kind); next = words[at]) {
      put(next)
    }
  }
  while (at < words.length) {
    const word = words[at] as Word
    if (word.kind === 'digits') putNumber(word)
    else {
      put(word)
      if (!isWord(word)) continue
      const [digits, behind] = [words[at], words[at + 1]]
      if (digits?.kind === 'digits') {
        if (behind?.kind === 'letters') {
          text += connector
          putNumber(digits)
        } else put(digits)
      }
    }
    if (isWord(words[at])) text += connector
  }
  return text
}

const isConnector = (one: string): boolean => /[-_\s]/.test(one)
const isUpper = (one: string): boolean => /\p{Lu}/u.test(one)

/** Words with a capital each and nothing between them; connectors at the start stay. */
function camelCase(value: string): string {
  const lead = /^[-_\s]*/.exec(value)?.[0] ?? ''
  const letters = [...value.slice(lead.length)]
  // Where there is nothing else, the last of them comes twice.
  if (letters.length === 0) return lead + lead.slice(-1)
  let text = lead
  let isNew = true
  let lowers = false
  for (const [at, letter] of letters.entries()) {
    if (isConnector(letter)) {
      const isKept = at === letters.length - 1 || isConnector(letters[at + 1] ?? '')
      if (isKept) text += letter
      isNew = true
      continue
    }
    if (isNew) lowers = isUpper(letter)
    else if (!isUpper(letter)) lowers = false
    text += isNew ? letter.toUpperCase() : lowers ? letter.toLowerCase() : letter
    isNew = false
  }
  return text
}

/** Breaks lines at blanks; a word that is too long is cut, or left as it is. */
function wrap(value: string, width: number, separator: string, cuts: boolean): string {
  const room = Math.max(width, 1)
  let rest = value
  let text = ''
  while (rest.length > room) {
    if (rest.startsWith(' ')) {
      rest = rest.slice(1)
      continue
    }
    const blank = rest.slice(0, room + 1).lastIndexOf(' ')
    const later = rest.indexOf(' ', room)
    const end = blank >= 0 ? blank : cuts ? room : later
    if (end < 0) break
    text += `${rest.slice(0, end)}${separator}`
    rest = rest.slice(blank < 0 && cuts ? end : end + 1)
  }
  return text + rest
}
