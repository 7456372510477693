import { createHash } from 'node:crypto'
import { closeSync, write } from 'node:fs'
import { access, constants, type FileHandle, open } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { promisify } from 'node:util'
import { osErrorText } from '../os-error.ts'
import { PluginError } from './plugin-error.ts'
import { loadProgramCalls } from './system-calls.ts'

const writeToDescriptor = promisify(write)
const checksumBytes = 32
const chunkBytes = 1 << 18

/** A program that is about to be started. Disposing it gives back what it holds; a program that runs goes on. */
export interface Program extends Disposable {
  /** The path as configured, made absolute: what the program sees as its own name. */
  readonly path: string
  /** The sealed copy that was checked and is what runs; undefined without a checksum. */
  readonly descriptor: number | undefined
}

/**
 * Reads a `plugin_checksum`.
 *
 * @returns undefined when there is none
 * @throws {PluginError} `ERR_PLUGIN_CHECKSUM` in SPIRE's words
 */
export function parseChecksum(text: string): Buffer | undefined {
  if (text === '') return undefined
  if (!/^([0-9a-f]{2})+$/i.test(text)) {
    throw new PluginError('ERR_PLUGIN_CHECKSUM', 'checksum is not a valid hex string')
  }
  const checksum = Buffer.from(text, 'hex')
  if (checksum.length !== checksumBytes) {
    const lengths = `expected checksum of length ${checksumBytes * 2}; got ${checksum.length * 2}`
    throw new PluginError('ERR_PLUGIN_CHECKSUM', lengths)
  }
  return checksum
}

/**
 * Finds the program of a plugin, and checks it when there is a checksum.
 *
 * PATH is never searched. A checked program is copied into sealed memory while it is hashed, and that copy is what runs:
 * between check and start nothing can take its place, by name or in place.
 *
 * @throws {PluginError} `ERR_PLUGIN_LAUNCH` when it cannot be read, `ERR_PLUGIN_CHECKSUM` when it is another program
 */
export async function openProgram(command: string, checksum: Buffer | undefined): Promise<Program> {
  const path = resolve(command)
  if (checksum) return { path, ...(await openChecked(path, checksum)) }
  try {
    await access(path, constants.X_OK)
  } catch (cause) {
    throw new PluginError('ERR_PLUGIN_LAUNCH', osErrorText('fork/exec', path, cause), { cause })
  }
  return { path, descriptor: undefined, [Symbol.dispose]: () => {} }
}

async function openChecked(
  path: string,
  checksum: Buffer,
): Promise<{ readonly descriptor: number } & Disposable> {
  const calls = await loadProgramCalls()
  const source = await openSource(path)
  const copy = calls.memoryFile(basename(path))
  try {
    const found = await copyAndHash(source, copy)
    if (!found.equals(checksum)) {
      throw new PluginError('ERR_PLUGIN_CHECKSUM', 'checksums did not match')
    }
    calls.seal(copy)
    return { descriptor: copy, [Symbol.dispose]: () => closeSync(copy) }
  } catch (error) {
    closeSync(copy)
    throw error
  } finally {
    await source.close()
  }
}

async function openSource(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (cause) {
    const text = `error verifying checksum: ${osErrorText('open', path, cause)}`
    throw new PluginError('ERR_PLUGIN_LAUNCH', text, { cause })
  }
}

async function copyAndHash(source: FileHandle, copy: number): Promise<Buffer> {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafeSlow(chunkBytes)
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length, null)
    if (bytesRead === 0) return hash.digest()
    const chunk = buffer.subarray(0, bytesRead)
    hash.update(chunk)
    for (let sent = 0; sent < chunk.length; ) {
      sent += (await writeToDescriptor(copy, chunk, sent)).bytesWritten
    }
  }
}
