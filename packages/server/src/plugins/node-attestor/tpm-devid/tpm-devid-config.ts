import { readFileSync } from 'node:fs'
import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { systemText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate, parsePem } from '@mini-spire/sdk/x509'
import { misconfigured } from '../attestor-errors.ts'
import type { TpmDevIdOptions } from './tpm-devid.ts'

const schema = {
  devid_ca_path: { type: 'string' },
  endorsement_ca_path: { type: 'string' },
} as const

/**
 * Reads the `plugin_data` of tpm_devid, both files of roots included.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, as SPIRE words it
 */
export function readTpmDevIdConfig(
  data: Node | undefined,
  { trustDomain, clock }: { readonly trustDomain: TrustDomain; readonly clock: Clock },
): TpmDevIdOptions {
  const { devid_ca_path, endorsement_ca_path } = decodeSection(schema, data)
  if (devid_ca_path === '') throw misconfigured('devid_ca_path is required')
  if (endorsement_ca_path === '') throw misconfigured('endorsement_ca_path is required')
  return {
    trustDomain,
    clock,
    devIdRoots: readRoots('DevID', devid_ca_path),
    endorsementRoots: readRoots('endorsement', endorsement_ca_path),
  }
}

function readRoots(which: string, path: string): readonly Certificate[] {
  const what = `unable to load ${which} trust bundle`
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw misconfigured(`${what}: open ${path}: ${systemText(cause)}`, cause)
  }
  try {
    const roots = parsePem(text).flatMap(({ label, der }, block) =>
      label === 'CERTIFICATE' ? [readRoot(der, block)] : [],
    )
    if (roots.length === 0) throw new Error('no certificates found in file')
    return roots
  } catch (cause) {
    throw misconfigured(`${what}: ${messageOf(cause)}`, cause)
  }
}

function readRoot(der: Uint8Array, block: number): Certificate {
  try {
    return parseCertificate(der)
  } catch (cause) {
    throw new Error(`unable to parse certificate in block ${block}: ${messageOf(cause)}`, { cause })
  }
}
