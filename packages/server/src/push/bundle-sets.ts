import { createHash } from 'node:crypto'
import type { BundleRegistry } from '../registry/bundles.ts'
import type { BundleSet, PushEncoder } from './push-encoder.ts'

/**
 * Gathers the bundles of a set: the own one and those of these trust domains, as far as the server has them. The digest is
 * SHA-256 over each bundle's length (eight bytes, big-endian) and bytes.
 */
export function gatherBundles(
  bundles: Pick<BundleRegistry, 'find'>,
  names: Iterable<string>,
  encoder: Pick<PushEncoder, 'bundle'>,
): BundleSet {
  const found = [...new Set(names)]
    .sort()
    .flatMap((name) => bundles.find(name) ?? [])
    .map((bundle) => encoder.bundle(bundle))
  const hash = createHash('sha256')
  for (const bundle of found) {
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(bundle.length))
    hash.update(length).update(bundle)
  }
  return { bundles: found, digest: hash.digest() }
}
