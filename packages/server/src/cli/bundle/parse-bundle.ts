import { goJsonProblem } from '@mini-spire/runtime/cli/go-json-syntax'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { SpiffeBundle } from '@mini-spire/sdk/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificate, parsePem } from '@mini-spire/sdk/x509'
import { type Jwk, jwkProblem } from './jwk-problem.ts'

/**
 * Reads a bundle that an operator hands in: PEM certificates, or the SPIFFE bundle document.
 *
 * @param format `pem`; anything else is read as a SPIFFE bundle
 * @param trustDomain name or ID of the trust domain it belongs to; checked by the server for PEM
 * @throws {CommandError} in SPIRE's words
 */
export function parseBundle(bytes: Uint8Array, format: string, trustDomain: string): Bundle {
  const text = Buffer.from(bytes).toString('utf8')
  if (format === 'pem') {
    const x509Authorities = readCertificates(text).map((asn1) => ({ asn1 }))
    return Bundle.fromPartial({ trustDomain, x509Authorities })
  }
  const bundle = readSpiffeBundle(TrustDomain.parse(trustDomain), text)
  return Bundle.fromPartial({
    trustDomain: bundle.trustDomain.name,
    x509Authorities: bundle.x509.authorities.map(({ raw }) => ({ asn1: raw })),
    jwtAuthorities: bundle.jwt.authorities.map(({ keyId, publicKey }) => ({
      keyId,
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    })),
    refreshHint: BigInt(bundle.refreshHintSeconds ?? 0),
    sequenceNumber: bundle.sequenceNumber ?? 0n,
  })
}

function readCertificates(text: string): readonly Uint8Array[] {
  const fail = (why: string): CommandError =>
    new CommandError(`unable to parse bundle data: ${why}`)
  const blocks = read(fail, () => parsePem(text))
  if (blocks.length === 0) throw fail('no PEM blocks')
  return blocks.map(({ label, der }, index) => {
    if (label !== 'CERTIFICATE') {
      throw fail(`expected block type "CERTIFICATE"; got ${quoteGo(label)}`)
    }
    const where = `unable to parse "CERTIFICATE" PEM block ${index + 1}: `
    return read(
      (why) => fail(where + why),
      () => parseCertificate(der),
    ).raw
  })
}

function readSpiffeBundle(trustDomain: TrustDomain, text: string): SpiffeBundle {
  const fail = (why: string): CommandError =>
    new CommandError(`unable to parse to spiffe bundle: spiffebundle: ${why}`)
  const problem = goJsonProblem(text)
  if (problem !== undefined) throw fail(`unable to parse JWKS: ${problem}`)
  checkEntries(text, fail)
  return read(fail, () => SpiffeBundle.parse(trustDomain, text))
}

/** Entries that the standard has readers pass over are refused here: {@link jwkProblem}. */
function checkEntries(text: string, fail: (why: string) => CommandError): void {
  const document = JSON.parse(text) as { readonly keys?: unknown } | null
  const keys: readonly unknown[] = Array.isArray(document?.keys) ? document.keys : []
  for (const key of keys) {
    const problem = jwkProblem(key)
    if (problem !== undefined) throw fail(`unable to parse JWKS: ${problem}`)
  }
  for (const [index, { use, kty, x5c }] of (keys as readonly Jwk[]).entries()) {
    const count = Array.isArray(x5c) ? x5c.length : 0
    if (use === 'x509-svid' && count !== 1)
      throw fail(`expected a single certificate in x509-svid entry ${index}; got ${count}`)
    if (use === 'jwt-svid' && kty === 'oct')
      throw new CommandError(
        'unable to parse to type bundle: x509: unsupported public key type: []uint8',
      )
  }
}

function read<Value>(fail: (why: string) => Error, parse: () => Value): Value {
  try {
    return parse()
  } catch (error) {
    throw fail(messageOf(error))
  }
}
