import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { messageOf } from '@mini-spire/sdk/errors'
import { AuthorizationError } from '../authorization-error.ts'

/** What `opa build` has compiled. */
export interface CompiledPolicy {
  readonly wasm: Uint8Array
  /** The bundle's own `data.json`, as text; undefined for a bare module. */
  readonly data: string | undefined
}

/** What makes a policy that can be used, for whoever has to make one. */
const compileCommand = 'opa build -t wasm -e spire/result -o policy.tar.gz policy.rego'

/** A bundle unpacks to no more than this; compiled policies are a few hundred kilobytes. */
const maxUnpackedBytes = 64 * 1024 * 1024

const blockBytes = 512

/**
 * Reads a compiled policy: a bundle (`.tar.gz`) or a bare WebAssembly module, told apart by their first bytes.
 *
 * @throws {AuthorizationError} `ERR_POLICY_UNUSABLE`, for Rego source with the command that compiles it
 */
export async function readCompiledPolicy(path: string): Promise<CompiledPolicy> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw unusable(`unable to read the policy: ${messageOf(cause)}`, cause)
  }
  if (startsWith(bytes, [0x00, 0x61, 0x73, 0x6d])) return { wasm: bytes, data: undefined }
  if (startsWith(bytes, [0x1f, 0x8b])) return readBundle(path, bytes)
  throw unusable(
    `${path} is not a compiled policy; Rego source is not evaluated: compile it with "${compileCommand}" and name the result in rego_path`,
  )
}

function readBundle(path: string, bytes: Uint8Array): CompiledPolicy {
  let files: ReadonlyMap<string, Uint8Array>
  try {
    files = untar(gunzipSync(bytes, { maxOutputLength: maxUnpackedBytes }))
  } catch (cause) {
    throw unusable(`unable to unpack ${path}: ${messageOf(cause)}`, cause)
  }
  const wasm = files.get('policy.wasm')
  if (!wasm) {
    throw unusable(`${path} holds no policy.wasm: compile it with "${compileCommand}"`)
  }
  const data = files.get('data.json')
  return { wasm, data: data && Buffer.from(data).toString('utf8') }
}

/** The files of a tar archive by name, without a slash in front. */
function untar(archive: Buffer): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  let at = 0
  while (at + blockBytes <= archive.length) {
    const header = archive.subarray(at, at + blockBytes)
    const name = textOf(header.subarray(0, 100))
    if (name === '') break
    const size = Number.parseInt(textOf(header.subarray(124, 136)), 8)
    const end = at + blockBytes + size
    if (!Number.isSafeInteger(size) || size < 0 || end > archive.length) {
      throw new RangeError('the archive ends within a file')
    }
    files.set(name.replace(/^(\.?\/)+/, ''), archive.subarray(at + blockBytes, end))
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes
  }
  return files
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? field.length : end).trim()
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte)
}

function unusable(message: string, cause?: unknown): AuthorizationError {
  return new AuthorizationError('ERR_POLICY_UNUSABLE', message, { cause })
}
