import type { ObjectList } from './ast.ts'
import { ConfigError } from './config-error.ts'
import { parseHcl } from './hcl/parser.ts'
import { parseJson } from './json/parser.ts'

const space = /^\p{White_Space}*/u

/**
 * Parses configuration text: JSON when its first character is `{`, HCL 1 otherwise, whatever the file is called.
 *
 * @throws {ConfigError} `ERR_CONFIG_SYNTAX`
 */
export function parseConfig(text: string): ObjectList {
  const first = text.replace(space, '')[0]
  return first === '{' ? parseJson(text) : parseHcl(text)
}

/**
 * The text of a configuration file.
 *
 * @throws {ConfigError} `ERR_CONFIG_SYNTAX` when the bytes are not UTF-8
 */
export function decodeText(bytes: Uint8Array): string {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const bad = text.indexOf('\ufffd')
  if (bad >= 0 && Buffer.from(text).compare(bytes) !== 0) {
    const lines = text.slice(0, bad).split('\n')
    const column = [...(lines.at(-1) ?? '')].length + 1
    throw new ConfigError(
      'ERR_CONFIG_SYNTAX',
      `At ${lines.length}:${column}: illegal UTF-8 encoding`,
    )
  }
  return text
}
