import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DescMessage } from '@bufbuild/protobuf'
import { root } from '../kit/repository.ts'

/** What the generated code offers for one message. */
export interface Codec {
  encode(message: unknown): { finish(): Uint8Array }
  decode(bytes: Uint8Array): unknown
}

/** Finds the generated codec of a message, whichever package carries it. */
export async function codecOf(message: DescMessage): Promise<Codec> {
  const file = ['runtime', 'sdk']
    .map((name) => join(root, 'packages', name, 'src/proto', `${message.file.name}.ts`))
    .find((path) => existsSync(path))
  if (file === undefined) throw new Error(`no generated file for ${message.file.name}`)
  const module = (await import(pathToFileURL(file).href)) as Record<string, Codec>
  const name = message.typeName
    .slice(message.file.proto.package === '' ? 0 : message.file.proto.package.length + 1)
    .replaceAll('.', '_')
  const codec = module[name]
  if (codec === undefined) throw new Error(`${file} has no ${name}`)
  return codec
}
