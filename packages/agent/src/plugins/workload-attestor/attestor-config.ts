import type { Node } from '@mini-spire/runtime/config/ast'
import { type UnknownKey, unknownKeys } from '@mini-spire/runtime/config/schema'
import { CatalogError } from '@mini-spire/runtime/plugin-host/catalog-error'
import { sigstoreReason } from '../../config/unsupported.ts'

/**
 * Refuses keys that an attestor does not know, as SPIRE's attestors do.
 *
 * @throws {CatalogError} `ERR_PLUGIN_CONFIG`
 */
export function refuseUnknownKeys(
  ...sections: readonly ({ readonly [unknownKeys]: readonly UnknownKey[] } | undefined)[]
): void {
  for (const section of sections) {
    const keys = new Set(section?.[unknownKeys].map(({ key }) => key))
    if (keys.size === 0) continue
    const list = [...keys].sort().join(',')
    throw new CatalogError('ERR_PLUGIN_CONFIG', `unknown configurations detected: ${list}`)
  }
}

/**
 * Refuses a `sigstore` block: signatures of images are not verified here, and whoever asked for that must not be served
 * without.
 *
 * @throws {CatalogError} `ERR_PLUGIN_CONFIG`
 */
export function refuseSigstore(block: Node | undefined): void {
  if (!block) return
  throw new CatalogError('ERR_PLUGIN_CONFIG', `sigstore is not supported: ${sigstoreReason}`)
}
