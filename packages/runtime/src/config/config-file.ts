import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { quoteGo } from '../go-quote.ts'
import { osErrorText } from '../os-error.ts'
import type { ObjectList } from './ast.ts'
import { ConfigError } from './config-error.ts'
import { expandEnvironment } from './expand-env.ts'
import { decodeText, parseConfig } from './parse.ts'

/** Options of {@link readConfigFile}. */
export interface ReadConfigFileOptions {
  /** Relative to the working directory. */
  readonly path: string
  /** Variables to put in place of `$NAME`; undefined: the text is taken as it is. */
  readonly environment?: { readonly [name: string]: string | undefined }
}

/**
 * Reads a configuration file and decodes it with the function given.
 *
 * @throws {ConfigError} `ERR_CONFIG_UNREADABLE`, or what parsing and decoding throw, with the file's name before it
 */
export function readConfigFile<T>(
  options: ReadConfigFileOptions,
  decode: (list: ObjectList) => T,
): T {
  const bytes = readBytes(options.path)
  try {
    const text = decodeText(bytes)
    const { environment } = options
    const expanded = environment
      ? expandEnvironment(text, (name) =>
          Object.hasOwn(environment, name) ? environment[name] : undefined,
        )
      : text
    return decode(parseConfig(expanded))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const message = `unable to decode configuration at ${quoteGo(options.path)}: ${error.message}`
    throw new ConfigError(error.code, message, { cause: error })
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    const isDirectory = error instanceof Error && 'code' in error && error.code === 'EISDIR'
    const message = isMissing
      ? `could not find config file ${resolve(path)}: please use the -config flag`
      : `unable to read configuration at ${quoteGo(path)}: ${osErrorText(isDirectory ? 'read' : 'open', path, error)}`
    throw new ConfigError('ERR_CONFIG_UNREADABLE', message, { cause: error })
  }
}
