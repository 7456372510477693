import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { signerFromKeyObject } from '@mini-spire/runtime/x509/signer'
import { messageOf } from '@mini-spire/sdk/errors'
import { type Certificate, parseCertificate, parsePem, verifyChain } from '@mini-spire/sdk/x509'
import type { UpstreamCa } from '../sign-csr.ts'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'
import type { DiskFiles } from './disk-config.ts'

/** A CA from files, checked. */
export interface DiskCa extends UpstreamCa {
  /** What leads from the CA to a root, the CA itself first; no roots. */
  readonly chain: readonly Certificate[]
  readonly roots: readonly Certificate[]
}

const keyLabels: readonly string[] = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY']

/**
 * Reads and checks the files of a CA: the key must be the certificate's, and the certificate must lead to the roots.
 *
 * @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CONFIG`, in SPIRE's words; nothing of a key is in a message
 */
export async function loadDiskCa(files: DiskFiles, now: Date): Promise<DiskCa> {
  const signer = await attempt('unable to load upstream CA key', () => readKey(files.keyPath))
  const certificates = await attempt('unable to load upstream CA cert', () =>
    readCertificates(files.certificatePath),
  )
  const [certificate] = certificates
  const { bundlePath } = files
  if (!certificate || (bundlePath === undefined && certificates.length !== 1)) {
    throw refused('with no bundle_file_path configured only self-signed CAs are supported')
  }
  const roots =
    bundlePath === undefined
      ? certificates
      : await attempt('unable to load upstream CA bundle', () => readCertificates(bundlePath))
  if (Buffer.compare(certificate.spki, signer.publicKey) !== 0) {
    throw refused('unable to load upstream CA: certificate and private key do not match')
  }
  checkLeadsTo(roots, certificates, now)
  const chain = certificates.filter((one) => !isAmong(roots, one))
  return { certificate, signer, chain, roots }
}

function checkLeadsTo(
  roots: readonly Certificate[],
  chain: readonly Certificate[],
  now: Date,
): void {
  const [certificate] = chain
  try {
    if (!certificate?.isCa) throw new Error('it is not a CA')
    // A root needs no path, but has to be valid now.
    if (!isAmong(roots, certificate)) verifyChain({ chain, roots, now })
    else if (now < certificate.notBefore || now > certificate.notAfter)
      throw new Error('it is not valid now')
  } catch (cause) {
    throw refused(
      'unable to load upstream CA: certificate cannot be validated with the provided bundle or is not self-signed',
      cause,
    )
  }
}

function isAmong(certificates: readonly Certificate[], one: Certificate): boolean {
  return certificates.some(({ raw }) => Buffer.compare(raw, one.raw) === 0)
}

async function readKey(path: string): Promise<UpstreamCa['signer']> {
  const block = parsePem(await read(path)).find(({ label }) => keyLabels.includes(label))
  if (!block) throw new Error('no PEM blocks')
  const { label, der } = block
  const types = { 'PRIVATE KEY': 'pkcs8', 'RSA PRIVATE KEY': 'pkcs1', 'EC PRIVATE KEY': 'sec1' }
  const type = types[label as keyof typeof types] as 'pkcs8'
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type })
  createPublicKey(key)
  return signerFromKeyObject(key)
}

async function readCertificates(path: string): Promise<readonly Certificate[]> {
  const blocks = parsePem(await read(path)).filter(({ label }) => label === 'CERTIFICATE')
  if (blocks.length === 0) throw new Error('no PEM blocks')
  return blocks.map(({ der }) => parseCertificate(der))
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Error(osErrorText('open', path, cause), { cause })
  }
}

async function attempt<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    throw refused(`${what}: ${messageOf(cause)}`, cause)
  }
}

function refused(message: string, cause?: unknown): UpstreamAuthorityError {
  return new UpstreamAuthorityError('ERR_UPSTREAM_CONFIG', message, { cause })
}
