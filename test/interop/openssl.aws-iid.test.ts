import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeTestSigner, TestAws, type TestSignedData } from '@mini-spire/sdk/testing/platforms'
import { pemEncode } from '@mini-spire/sdk/x509'
import {
  certificatesOf,
  payloadOf,
} from '@mini-spire/server/plugins/node-attestor/aws-iid/aws-evidence.test-kit'
import { verifyIdentityDocument } from '@mini-spire/server/plugins/node-attestor/aws-iid/identity-document'
import { RegionCertificates } from '@mini-spire/server/plugins/node-attestor/aws-iid/region-certificates'
import { afterAll, describe, expect, it } from 'vitest'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import { publishedDocuments } from '../vectors/aws-iid/published-documents.ts'

const isMissing =
  !hasProgram('openssl', 'version') && missingPeer('OpenSSL', 'apt-get install openssl')
const folder = mkdtempSync(join(tmpdir(), 'openssl-aws-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What `openssl smime -verify` makes of a PKCS #7, as AWS's documentation calls it; undefined: it is refused. */
function opensslContent(rsa2048: string, certificate: Uint8Array): string | undefined {
  const [message, trusted] = [join(folder, 'rsa2048'), join(folder, 'certificate')]
  writeFileSync(message, `-----BEGIN PKCS7-----\n${rsa2048}\n-----END PKCS7-----\n`)
  writeFileSync(trusted, pemEncode('CERTIFICATE', certificate))
  const args = ['-in', message, '-inform', 'PEM', '-certfile', trusted, '-nointern', '-noverify']
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    return execFileSync('openssl', ['smime', '-verify', ...args], {
      encoding: 'utf8',
      stdio: [...stdio],
    })
  } catch {
    return undefined
  }
}

/** MIME writes lines its own way. */
const unixLines = (text: string | undefined): string | undefined => text?.replaceAll('\r\n', '\n')

describe.skipIf(isMissing)('OpenSSL, and we', () => {
  it.each(publishedDocuments)('believe $title', async ({ evidence, expected }) => {
    const certificates = RegionCertificates.published()
    const certificate = certificates.findRsa2048(expected.region) ?? Buffer.alloc(0)
    expect(unixLines(opensslContent(evidence.rsa2048, certificate))).toBe(evidence.document)
    expect(await verifyIdentityDocument(payloadOf(evidence), certificates)).toEqual(expected)
  })

  const aws = new TestAws()
  const { document } = aws.evidence()
  const signer = aws.signersOf('us-west-2').rsa2048
  const foreign = makeTestSigner(2048, 'AWS us-west-2')
  const other = Buffer.from('other')
  it.each<[string, boolean, Partial<TestSignedData>]>([
    ['a message of the test kit', true, {}],
    ['one with certificates of strangers in it', true, { certificates: [foreign.certificate] }],
    ['one of a stranger', false, { signers: [{ ...foreign, hasAttributes: true }] }],
    [
      'one of a stranger in our name',
      false,
      { signers: [{ ...foreign, certificate: signer.certificate, hasAttributes: true }] },
    ],
    [
      'one over other content',
      false,
      { signers: [{ ...signer, hasAttributes: true, signed: other }] },
    ],
    ['one that a stranger signed too', false, { signers: [signer, foreign] }],
    ['one that nobody signed', false, { signers: [] }],
    ['one without content', false, { isDetached: true }],
  ])('agree about %s', async (_, isGood, change) => {
    const rsa2048 = aws.rsa2048(document, change)
    const theirs = unixLines(opensslContent(rsa2048, signer.certificate))
    expect(theirs).toBe(isGood ? document : undefined)
    const ours = verifyIdentityDocument(payloadOf({ document, rsa2048 }), certificatesOf(aws))
    await (isGood ? expect(ours).resolves.toBeDefined() : expect(ours).rejects.toThrow())
  })
})
