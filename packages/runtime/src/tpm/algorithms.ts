import { TpmError } from './tpm-error.ts'

/** Algorithm identifiers (TPM_ALG_ID) that are met here. */
export const tpmAlgorithm = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsaSsa: 0x0014,
  rsaEs: 0x0015,
  rsaPss: 0x0016,
  oaep: 0x0017,
  ecdsa: 0x0018,
  ecdaa: 0x001a,
  ecc: 0x0023,
  cfb: 0x0043,
} as const

/** A hash as Node names it, with the size of its digest. */
export interface TpmHash {
  readonly name: 'sha256' | 'sha384' | 'sha512'
  readonly bytes: number
}

const hashes: ReadonlyMap<number, TpmHash> = new Map([
  [tpmAlgorithm.sha256, { name: 'sha256', bytes: 32 } as const],
  [tpmAlgorithm.sha384, { name: 'sha384', bytes: 48 } as const],
  [tpmAlgorithm.sha512, { name: 'sha512', bytes: 64 } as const],
])

/**
 * The hash of an identifier. SHA-1 is none: names and signatures that rest on it prove nothing any more.
 *
 * @throws {TpmError} `ERR_TPM_UNSUPPORTED`
 */
export function tpmHash(algorithm: number): TpmHash {
  const found = hashes.get(algorithm)
  if (found) return found
  throw new TpmError('ERR_TPM_UNSUPPORTED', `hash algorithm ${hex16(algorithm)} is not supported`)
}

/** An algorithm identifier as people write it. */
export function hex16(algorithm: number): string {
  return `0x${algorithm.toString(16).padStart(4, '0')}`
}
