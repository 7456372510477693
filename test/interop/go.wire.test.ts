import { spawnSync } from 'node:child_process'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { codecOf } from '../wire/generated-codecs.ts'
import { contentsOf, wireMessages, wireRegistry } from '../wire/wire-messages.ts'

const registry = wireRegistry()
const seed = 20_261
const samplesPerMessage = 20

describe.skipIf(isGoMissing())('Go (go-spiffe, spire-api-sdk)', () => {
  let program = ''
  beforeAll(async () => {
    program = await goPeer()
  })

  it('reads and writes the same bytes as the generated types, for every message', async () => {
    // Those of our own that SPIRE does not have are nobody else's to read.
    const messages = wireMessages(registry).filter(
      ({ typeName }) => !typeName.startsWith('minispire.'),
    )
    const lines: { message: string; hex: string }[] = []
    for (const message of messages) {
      const codec = await codecOf(message)
      for (const contents of fc.sample(contentsOf(message), { seed, numRuns: samplesPerMessage })) {
        const bytes = codec
          .encode(codec.decode(toBinary(message, create(message, contents))))
          .finish()
        // Empty map values may be written or left out; compare in the one normal form.
        const normal = toBinary(message, fromBinary(message, bytes))
        lines.push({ message: message.typeName, hex: Buffer.from(normal).toString('hex') })
      }
    }
    const input = lines.map((line) => JSON.stringify(line)).join('\n')
    const { stdout, stderr, status } = spawnSync(program, ['wire'], {
      input,
      encoding: 'utf8',
      maxBuffer: 256 * 1024 * 1024,
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    // Go writes members of a oneof last, the generated types in field order: the same bytes in another order, which the
    // normal form evens out.
    const descriptors = new Map(messages.map((message) => [message.typeName, message]))
    const normal = answers.map(({ message, hex }: { message: string; hex: string }) => {
      const described = descriptors.get(message)
      if (described === undefined) throw new Error(`Go answered for ${message}`)
      const bytes = toBinary(described, fromBinary(described, Buffer.from(hex, 'hex')))
      return { message, hex: Buffer.from(bytes).toString('hex'), length: hex.length }
    })
    expect(normal).toEqual(lines.map((line) => ({ ...line, length: line.hex.length })))
    expect(new Set(answers.map((answer) => answer.message)).size).toBe(messages.length)
  })
})
