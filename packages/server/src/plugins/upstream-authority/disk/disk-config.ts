import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'

const schema = {
  cert_file_path: { type: 'string' },
  key_file_path: { type: 'string' },
  bundle_file_path: { type: 'string' },
} as const

/** The files of a disk upstream authority. */
export interface DiskFiles {
  /** PEM: the CA's certificate, then intermediates. */
  readonly certificatePath: string
  /** PEM: its private key. */
  readonly keyPath: string
  /** PEM: the roots; undefined: the certificate is its own root. */
  readonly bundlePath: string | undefined
}

/**
 * Reads the `plugin_data` of `disk`. The files are not opened.
 *
 * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CONFIG`, in SPIRE's words
 */
export function readDiskConfig(data: Node | undefined): DiskFiles {
  const config = decodeSection(schema, data)
  const { cert_file_path: certificatePath, key_file_path: keyPath } = config
  if (certificatePath === '' || keyPath === '') {
    throw new UpstreamAuthorityError(
      'ERR_UPSTREAM_CONFIG',
      "'cert_file_path' and 'key_file_path' must be set and not empty",
    )
  }
  return { certificatePath, keyPath, bundlePath: config.bundle_file_path || undefined }
}
