import { isJsonObject, type JsonObject, type JsonValue } from '@mini-spire/sdk/bundle'

/** Where a claim stands: its name, or the names of the objects around it and then its own. */
export type ClaimPath = readonly string[]

/** A longer text in a claim is as good as none. */
const maxTextLength = 1024
/** A list with more members is as good as none. */
const maxListLength = 64

/**
 * Reads how an operator names a claim: `repository`, or for one inside of others a JSON Pointer such as
 * `/kubernetes.io/namespace` [RFC 6901].
 *
 * @returns undefined for a text that names none
 */
export function parseClaimPath(text: string): ClaimPath | undefined {
  if (!text.startsWith('/')) return text === '' ? undefined : [text]
  const names = text.slice(1).split('/')
  if (names.some((name) => name === '' || /~(?![01])/.test(name))) return undefined
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * What a claim says, as texts: of a list one for each member. Texts stay as they are, true, false and whole numbers are written as
 * JSON does.
 *
 * @returns undefined when the claim is not there, is of another type, or is longer than any that is meant for a rule
 */
export function claimTexts(claims: JsonObject, path: ClaimPath): readonly string[] | undefined {
  let value: JsonValue | undefined = claims
  for (const name of path) {
    if (!isJsonObject(value)) return undefined
    value = value[name]
  }
  if (!Array.isArray(value)) {
    const text = textOf(value)
    return text === undefined ? undefined : [text]
  }
  if (value.length > maxListLength) return undefined
  const texts = value.map(textOf)
  return texts.every((text) => text !== undefined) ? texts : undefined
}

function textOf(value: JsonValue | undefined): string | undefined {
  switch (typeof value) {
    case 'string':
      return value.length <= maxTextLength ? value : undefined
    case 'boolean':
      return String(value)
    case 'number':
      return Number.isSafeInteger(value) ? String(value) : undefined
    default:
      return undefined
  }
}
