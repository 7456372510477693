/** A record whose fields a template may name; naming another one is an error. */
export class TemplateStruct {
  /** As Go prints it in errors. */
  readonly typeName: string
  readonly fields: ReadonlyMap<string, TemplateValue>

  constructor(typeName: string, fields: Readonly<Record<string, TemplateValue>>) {
    this.typeName = typeName
    this.fields = new Map(Object.entries(fields))
  }
}

/** What a template can hold. A `Map` has keys that are known only when it runs. */
export type TemplateValue =
  | string
  | number
  | boolean
  | TemplateStruct
  | ReadonlyMap<string, TemplateValue>
  | readonly TemplateValue[]

/** How Go prints a value inside a template. */
export function printValue(value: TemplateValue): string {
  if (value instanceof TemplateStruct) {
    return `{${[...value.fields.values()].map(printValue).join(' ')}}`
  }
  if (value instanceof Map) {
    const keys = [...value.keys()].sort()
    return `map[${keys.map((key) => `${key}:${printValue(value.get(key) ?? '')}`).join(' ')}]`
  }
  if (Array.isArray(value)) return `[${value.map(printValue).join(' ')}]`
  return String(value)
}

/** Whether sprig calls a value empty: its type's zero. */
export function isEmptyValue(value: TemplateValue): boolean {
  if (value instanceof Map) return value.size === 0
  if (Array.isArray(value)) return value.length === 0
  return value === '' || value === 0 || value === false
}
