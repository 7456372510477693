import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where distributions keep their bundle; the first that exists counts. */
const bundleFiles: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
const bundleFolders: readonly string[] = ['/etc/ssl/certs', '/etc/pki/tls/certs']

const pemBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/**
 * The public authorities that this machine trusts, PEM, found where Go programs look: `SSL_CERT_FILE` or the first
 * known bundle, and every file of the folders in `SSL_CERT_DIR` or the known ones. What cannot be read is passed over.
 */
export async function loadSystemRoots(environment: Environment): Promise<readonly string[]> {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders } = environment
  const roots = new Set<string>()
  for (const candidate of file ? [file] : bundleFiles) {
    const found = await readBlocks(candidate)
    for (const block of found ?? []) roots.add(block)
    if (found) break
  }
  for (const folder of folders ? folders.split(':') : bundleFolders) {
    for (const name of await namesIn(folder)) {
      for (const block of (await readBlocks(join(folder, name))) ?? []) roots.add(block)
    }
  }
  return [...roots]
}

async function readBlocks(path: string): Promise<readonly string[] | undefined> {
  try {
    return (await readFile(path, 'latin1')).match(pemBlock) ?? []
  } catch {
    return undefined
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
  }
}
