import type { Node, Position } from './ast.ts'

interface Described {
  /** What the key does, one line; written to the documentation. */
  readonly doc?: string
}

/** A string; whole numbers are taken too, as their source text. Missing: `''`, or undefined when optional. */
export interface StringField extends Described {
  readonly type: 'string'
  readonly optional?: true
}

/** A whole number, bare or in quotes. Missing: 0, or undefined when optional. */
export interface IntField extends Described {
  readonly type: 'int'
  readonly optional?: true
}

/** A bare `true` or `false`. Missing: false, or undefined when optional. */
export interface BoolField extends Described {
  readonly type: 'bool'
  readonly optional?: true
}

/** A list of strings; repeats add up. Missing: empty, or undefined when optional. */
export interface StringsField extends Described {
  readonly type: 'strings'
  readonly optional?: true
}

/** A block. Missing: its fields at their zero values, or undefined when optional. */
export interface SectionField extends Described {
  readonly type: 'section'
  readonly optional?: true
  readonly fields: SectionSchema
}

/** A list of blocks, or the block repeated. */
export interface SectionsField extends Described {
  readonly type: 'sections'
  readonly fields: SectionSchema
}

/** Labelled blocks, or an object of objects. */
export interface SectionMapField extends Described {
  readonly type: 'section-map'
  readonly fields: SectionSchema
}

/** An object whose values are strings. */
export interface StringMapField extends Described {
  readonly type: 'string-map'
}

/** An object whose values are lists of strings. */
export interface StringsMapField extends Described {
  readonly type: 'strings-map'
}

/** Kept as it was parsed, to be decoded later. The first occurrence wins. */
export interface NodeField extends Described {
  readonly type: 'node'
}

/** What a key may hold. */
export type FieldSchema =
  | StringField
  | IntField
  | BoolField
  | StringsField
  | SectionField
  | SectionsField
  | SectionMapField
  | StringMapField
  | StringsMapField
  | NodeField

/** The keys of a block. The order is the order in which they are decoded. */
export interface SectionSchema {
  readonly [key: string]: FieldSchema
}

type OrUndefined<F, T> = F extends { readonly optional: true } ? T | undefined : T

/** The value that a field decodes to. */
export type DecodedField<F extends FieldSchema> = F extends StringField
  ? OrUndefined<F, string>
  : F extends IntField
    ? OrUndefined<F, number>
    : F extends BoolField
      ? OrUndefined<F, boolean>
      : F extends StringsField
        ? OrUndefined<F, readonly string[]>
        : F extends SectionField
          ? OrUndefined<F, Decoded<F['fields']>>
          : F extends SectionsField
            ? readonly Decoded<F['fields']>[]
            : F extends SectionMapField
              ? ReadonlyMap<string, Decoded<F['fields']>>
              : F extends StringMapField
                ? ReadonlyMap<string, string>
                : F extends StringsMapField
                  ? ReadonlyMap<string, readonly string[]>
                  : Node | undefined

/** Under which a decoded block keeps the keys it does not know. */
export const unknownKeys: unique symbol = Symbol('unknown keys')

/** A key that its block does not know. */
export interface UnknownKey {
  readonly key: string
  readonly position: Position
  /** Whether SPIRE's own check sees it; its check has holes (quoted HCL keys, some nested JSON). */
  readonly isReportedBySpire: boolean
}

/** A decoded block: a property for each key of the schema, under the key's own name. */
export type Decoded<S extends SectionSchema> = {
  readonly [K in keyof S]: DecodedField<S[K]>
} & { readonly [unknownKeys]: readonly UnknownKey[] }
