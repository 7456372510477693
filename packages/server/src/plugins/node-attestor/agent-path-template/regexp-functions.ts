import { GoRegExp } from '../go-regexp.ts'
import { type TemplateFunction, taking } from './function-signature.ts'

/** A function, and its twin that says what is wrong: here, both do. */
const withMust = (
  name: string,
  body: TemplateFunction,
): readonly (readonly [string, TemplateFunction])[] => [
  [name, body],
  [`mustR${name.slice(1)}`, body],
]

/** The functions of sprig that look for patterns, in time that grows no faster than the text. */
export const regexpFunctions: readonly (readonly [string, TemplateFunction])[] = [
  [
    'regexMatch',
    taking(['string', 'string'], (pattern, text) => {
      try {
        return GoRegExp.compile(pattern).test(text)
      } catch {
        return false
      }
    }),
  ],
  [
    'mustRegexMatch',
    taking(['string', 'string'], (pattern, text) => GoRegExp.compile(pattern).test(text)),
  ],
  ...withMust(
    'regexFind',
    taking(
      ['string', 'string'],
      (pattern, text) => GoRegExp.compile(pattern).findAll(text, 1)[0]?.text ?? '',
    ),
  ),
  ...withMust(
    'regexFindAll',
    taking(['string', 'string', 'int'], (pattern, text, count) =>
      GoRegExp.compile(pattern)
        .findAll(text, count)
        .map((match) => match.text),
    ),
  ),
  ...withMust(
    'regexReplaceAll',
    taking(['string', 'string', 'string'], (pattern, text, other) =>
      GoRegExp.compile(pattern).replaceAll(text, other),
    ),
  ),
  ...withMust(
    'regexReplaceAllLiteral',
    taking(['string', 'string', 'string'], (pattern, text, other) =>
      GoRegExp.compile(pattern).replaceAll(text, other.replaceAll('$', '$$$$')),
    ),
  ),
  ...withMust(
    'regexSplit',
    taking(['string', 'string', 'int'], (pattern, text, count) =>
      GoRegExp.compile(pattern).split(text, count),
    ),
  ),
  ['regexQuoteMeta', taking(['string'], (text) => text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&'))],
]
