import {
  createFileRegistry,
  type DescField,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  ScalarType,
} from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { descriptors } from '@mini-spire/runtime/proto/descriptors'
import fc from 'fast-check'

/** Descriptors of everything in proto/. */
export function wireRegistry(): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64')))
}

/** Every message of proto/ itself, map entries and the standard library's left out. */
export function wireMessages(registry: FileRegistry): readonly DescMessage[] {
  const all: DescMessage[] = []
  const visit = (message: DescMessage): void => {
    if (message.proto.options?.mapEntry) return
    all.push(message)
    message.nestedMessages.forEach(visit)
  }
  for (const file of registry.files) {
    if (!file.name.startsWith('google/protobuf')) file.messages.forEach(visit)
  }
  return all
}

const scalars: Record<number, fc.Arbitrary<unknown>> = {
  [ScalarType.STRING]: fc.string({ unit: 'grapheme', maxLength: 12 }),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 12 }),
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.INT32]: fc.integer(),
  [ScalarType.UINT32]: fc.nat(),
  [ScalarType.INT64]: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  [ScalarType.UINT64]: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  [ScalarType.DOUBLE]: fc.double({ noNaN: true }),
  // No negative zero: the generated types leave it out, as they do zero.
  [ScalarType.FLOAT]: fc.float({ noNaN: true }).map((value) => value + 0),
}

/** Random contents for a message, in the form `create` of protobuf-es takes. */
export function contentsOf(message: DescMessage, depth = 3): fc.Arbitrary<Record<string, unknown>> {
  if (message.typeName === 'google.protobuf.Struct') {
    return fc.dictionary(
      fc.string({ maxLength: 4 }),
      fc.oneof(fc.boolean(), fc.integer(), fc.string()),
      { maxKeys: 1 },
    )
  }
  const model: Record<string, fc.Arbitrary<unknown>> = {}
  for (const member of message.members) {
    if (member.kind === 'oneof') {
      const cases = member.fields.map((field) =>
        valueFor(field, depth).map((value) => ({ case: field.localName, value })),
      )
      model[member.localName] = fc.oneof(...cases)
    } else if (depth > 0 || member.fieldKind === 'scalar') {
      model[member.localName] = valueFor(member, depth)
    }
  }
  return fc.record(model, { requiredKeys: [] })
}

function valueFor(field: DescField, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case 'scalar':
      return scalars[field.scalar] as fc.Arbitrary<unknown>
    case 'enum':
      return fc.constantFrom(...field.enum.values.map((value) => value.number))
    case 'message':
      return singular(field.message, depth)
    case 'list':
      return fc.array(
        field.listKind === 'message'
          ? singular(field.message, depth)
          : (scalars[field.scalar as number] as fc.Arbitrary<unknown>),
        { maxLength: 2 },
      )
    case 'map': {
      const value =
        field.mapKind === 'message'
          ? singular(field.message, depth)
          : (scalars[field.scalar as number] as fc.Arbitrary<unknown>)
      // One key at most: the order of more is nobody's promise, and bytes are compared.
      return fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), value, { maxKeys: 1 })
    }
  }
}

/** protobuf-es takes wrapper messages (BoolValue …) as the value they wrap. */
function singular(message: DescMessage, depth: number): fc.Arbitrary<unknown> {
  if (/^google\.protobuf\.\w+Value$/.test(message.typeName) && message.fields.length === 1) {
    return valueFor(message.fields[0] as DescField, depth)
  }
  return contentsOf(message, depth - 1)
}
