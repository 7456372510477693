/** Reading answers of other programs, whose shape nobody vouches for: what is missing or of another type is empty. */

function valueIn(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return Reflect.get(value, key)
}

/** An object below a key; without one, an empty object. */
export function objectIn(value: unknown, key: string): object {
  const found = valueIn(value, key)
  return typeof found === 'object' && found !== null ? found : {}
}

/** A text below a key; without one, the empty text. */
export function stringIn(value: unknown, key: string): string {
  const found = valueIn(value, key)
  return typeof found === 'string' ? found : ''
}

/** A number below a key; without one, 0. */
export function numberIn(value: unknown, key: string): number {
  const found = valueIn(value, key)
  return typeof found === 'number' ? found : 0
}

/** Whether true stands below a key. */
export function isTrueIn(value: unknown, key: string): boolean {
  return valueIn(value, key) === true
}

/** The list below a key; without one, an empty list. */
export function listIn(value: unknown, key: string): readonly unknown[] {
  const found = valueIn(value, key)
  return Array.isArray(found) ? found : []
}

/** The texts of the list below a key. */
export function stringsIn(value: unknown, key: string): readonly string[] {
  return listIn(value, key).filter((one) => typeof one === 'string')
}

/** The members of an object that are texts. */
export function stringMap(value: object): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  )
}
