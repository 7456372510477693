import { messageOf } from '@mini-spire/sdk/errors'
import { ConfigError } from '../config/config-error.ts'

/** What is wrong with `plugin_data`, as most of SPIRE's plugins word it; a place in it is one in the file of the configuration. */
export function pluginDataProblem(error: unknown): string {
  return error instanceof ConfigError
    ? `unable to decode configuration: ${error.message}`
    : messageOf(error)
}
