import { readFile } from 'node:fs/promises'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate, parsePem } from '@mini-spire/sdk/x509'
import type { KeyBlobs } from './tpm.ts'

/** Where a DevID lies. */
export interface DevIdPaths {
  /** PEM, leaf first. */
  readonly certificatePath: string
  readonly privatePath: string
  readonly publicPath: string
}

/** A device identity: its certificates, DER, leaf first, and its key as only the TPM can use it. */
export interface DevId {
  readonly chain: readonly Uint8Array[]
  readonly key: KeyBlobs
}

/** @throws {Error} saying which file is wrong and how */
export async function readDevId(paths: DevIdPaths): Promise<DevId> {
  const chain = await naming('cannot load certificate(s)', () =>
    readCertificates(paths.certificatePath),
  )
  const privateArea = await naming('cannot load private key', () => readBlob(paths.privatePath))
  const publicArea = await naming('cannot load public key', () => readBlob(paths.publicPath))
  return { chain, key: { privateArea, publicArea } }
}

async function readCertificates(path: string): Promise<readonly Uint8Array[]> {
  const text = (await read(path)).toString('latin1')
  const found = parsePem(text).flatMap(({ label, der }, block) => {
    if (label !== 'CERTIFICATE') return []
    try {
      return [parseCertificate(der).raw]
    } catch (cause) {
      throw new Error(`unable to parse certificate in block ${block}: ${messageOf(cause)}`)
    }
  })
  if (found.length === 0) throw new Error('no certificates found in file')
  return found
}

/** tpm2-tools write a blob with its size in front; SPIRE's agent wants it without. No blob could be read as both. */
async function readBlob(path: string): Promise<Uint8Array> {
  const bytes = await read(path)
  const isSized = bytes.length > 2 && bytes.readUInt16BE() === bytes.length - 2
  return isSized ? bytes.subarray(2) : bytes
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new Error(osErrorText('open', path, cause), { cause })
  }
}

async function naming<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new Error(`${what}: ${messageOf(cause)}`, { cause })
  }
}
