import { readFileSync } from 'node:fs'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { expandEnvironment } from '@mini-spire/runtime/config/expand-env'
import { decodeText, parseConfig } from '@mini-spire/runtime/config/parse'
import { osErrorText } from '@mini-spire/runtime/os-error'
import type { ProviderKeys } from './provider-config.ts'
import { providerSchema } from './provider-schema.ts'

/** Options of {@link readProviderKeys}. */
export interface ReadProviderKeysOptions {
  readonly path: string
  /** Variables to put in place of `$NAME`; undefined: the text is taken as it is. */
  readonly environment?: { readonly [name: string]: string | undefined } | undefined
}

/** Reads the provider's file. @throws {ConfigError} in SPIRE's words */
export function readProviderKeys({ path, environment }: ReadProviderKeysOptions): ProviderKeys {
  const bytes = readBytes(path)
  try {
    const text = decodeText(bytes)
    const expanded = environment ? expandEnvironment(text, (name) => environment[name]) : text
    return decodeSection(providerSchema, parseConfig(expanded))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const message = `unable to decode configuration: ${error.message}`
    throw new ConfigError(error.code, message, { cause: error })
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    const isFolder = cause instanceof Error && 'code' in cause && cause.code === 'EISDIR'
    const text = osErrorText(isFolder ? 'read' : 'open', path, cause)
    const message = `unable to load configuration: ${text}`
    throw new ConfigError('ERR_CONFIG_UNREADABLE', message, { cause })
  }
}
