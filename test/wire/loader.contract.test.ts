import { join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { loadSync, type MethodDefinition } from '@grpc/proto-loader'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { repositoryFiles, root } from '../kit/repository.ts'
import { codecOf } from './generated-codecs.ts'
import { contentsOf, wireRegistry } from './wire-messages.ts'

type AnyMethod = MethodDefinition<object, object>

const protos = repositoryFiles().filter((file) => file.startsWith('proto/'))
const loaded = loadSync(
  protos.map((file) => join(root, file)),
  { includeDirs: [join(root, 'proto')], keepCase: true, longs: String, bytes: String },
)
const registry = wireRegistry()
const methods = [...registry]
  .filter((described) => described.kind === 'service')
  .flatMap((service) => service.methods.map((method) => [service.typeName, method] as const))

describe('the dynamic loader', () => {
  it('knows every service', () => {
    for (const [service] of methods) expect(loaded).toHaveProperty([service])
  })

  it.each(
    methods.map(([service, method]) => [`${service}/${method.name}`, service, method] as const),
  )(
    '%s: reads what the generated types wrote, and the other way round',
    async (path, service, method) => {
      const definition = (loaded[service] as unknown as Record<string, AnyMethod>)[
        method.name
      ] as AnyMethod
      expect(definition.path).toBe(`/${path}`)
      expect([definition.requestStream, definition.responseStream]).toEqual([
        method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
        method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      ])
      const sides = [
        [method.input, definition.requestSerialize, definition.requestDeserialize],
        [method.output, definition.responseSerialize, definition.responseDeserialize],
      ] as const
      for (const [message, serialize, deserialize] of sides) {
        if (message.typeName === 'google.protobuf.Empty') continue
        const codec = await codecOf(message)
        fc.assert(
          fc.property(contentsOf(message), (contents) => {
            const original = deserialize(Buffer.from(toBinary(message, create(message, contents))))
            const ours = codec.encode(codec.decode(serialize(original))).finish()
            expect(deserialize(Buffer.from(ours))).toEqual(original)
          }),
          { numRuns: 15 },
        )
      }
    },
  )
})
