import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  toJson,
} from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { escapeGoJson } from '../go-json.ts'
import { descriptors } from '../proto/descriptors.ts'

/** A message to print: its full name and its bytes. */
export interface EncodedMessage {
  /** Such as `spire.api.types.Entry`. */
  readonly type: string
  readonly bytes: Uint8Array
}

/**
 * Prints messages as SPIRE's `-output json` does: one line, field names of the wire contract, keys sorted at every level,
 * unset scalars shown, unset messages left out, 64-bit numbers as strings. Several messages become a list.
 */
export function formatProtoJson(messages: readonly EncodedMessage[]): string {
  const registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64')),
  )
  const values = messages.map((message) => toPlain(registry, message))
  const [first] = values
  return `${formatSortedJson(values.length === 1 ? first : values)}\n`
}

/** Prints a plain value with sorted keys and without nulls, escaped as Go does. */
export function formatSortedJson(value: unknown): string {
  return escapeGoJson(JSON.stringify(sorted(value)))
}

function toPlain(registry: FileRegistry, { type, bytes }: EncodedMessage): unknown {
  const message: DescMessage | undefined = registry.getMessage(type)
  if (!message) throw new Error(`no message ${type}`)
  return toJson(message, fromBinary(message, bytes), {
    alwaysEmitImplicit: true,
    useProtoFieldName: true,
    registry,
  })
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const result: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(value).sort(byBytes)) {
    const inner: unknown = Reflect.get(value, key)
    if (inner !== null) result[key] = sorted(inner)
  }
  return result
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
