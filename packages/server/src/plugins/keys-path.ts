import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'

const schema = { keys_path: { type: 'string' } } as const

/** The path in the `plugin_data` of the disk key manager. @throws {CatalogError} when there is none */
export function readKeysPath(data: Node | undefined): string {
  const { keys_path: path } = decodeSection(schema, data)
  if (path === '') throw new CatalogError('ERR_PLUGIN_CONFIG', 'keys_path is required')
  return path
}
