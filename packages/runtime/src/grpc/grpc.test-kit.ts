import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type Certificate, keyIdentifier, parsePublicKey } from '@mini-spire/sdk/x509'
import { CertificateWriter } from '../x509/certificate-writer.ts'
import { encodeName } from '../x509/name.ts'
import { SerialNumbers } from '../x509/serial-number.ts'
import { signerFromKeyObject } from '../x509/signer.ts'
import type { TlsCredentials } from './tls-listener.ts'

/** A key and the certificate that a {@link TestAuthority} gave it. */
export interface TestSvid {
  readonly key: KeyObject
  readonly chain: readonly Uint8Array[]
  readonly tls: TlsCredentials
}

/** Signs leaves for a test, and judges chains the short way: the leaf must be its own. */
export class TestAuthority {
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  readonly #writer: CertificateWriter
  readonly #serials = new SerialNumbers()

  /** @param alias the authority by whose name it goes, without having its key */
  constructor(alias?: Pick<Certificate, 'subjectRaw' | 'subjectKeyId'>) {
    const publicKey = publicKeyOf(this.#key)
    this.#writer = new CertificateWriter(
      {
        name: alias?.subjectRaw ?? encodeName({ organization: ['test'] }),
        keyId: alias?.subjectKeyId ?? keyIdentifier(publicKey),
        signer: signerFromKeyObject(this.#key),
      },
      'leaf',
    )
  }

  async issue(uri: string, notAfterSeconds = 4_000_000_000): Promise<TestSvid> {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const der = await this.#writer.write({
      serialNumber: this.#serials.draw(),
      notBeforeSeconds: 1_700_000_000,
      notAfterSeconds,
      subject: encodeName({ organization: ['test'] }),
      publicKey: publicKeyOf(key),
      uri,
      dnsNames: [],
    })
    const chain = [new Uint8Array(der)]
    return { key, chain, tls: { key, cert: new X509Certificate(der).toString() } }
  }

  /** @throws for a leaf that this authority did not sign */
  verify(chain: readonly Uint8Array[]): { spiffeId: string } {
    const leaf = new X509Certificate(chain[0] ?? Buffer.of())
    if (!leaf.verify(createPublicKey(this.#key))) throw new Error('unknown authority')
    return { spiffeId: (leaf.subjectAltName ?? '').replace('URI:', '') }
  }
}

/** A port of this host that leads to a Unix socket, for clients that know ports only. */
export async function bridgeTo(path: string): Promise<{ port: number; close(): void }> {
  const server = createServer((from) => {
    const to = connect({ path })
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on('error', () => {})
      one.once('close', () => other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, close: () => void server.close() }
}

function publicKeyOf(key: KeyObject): ReturnType<typeof parsePublicKey> {
  return parsePublicKey(createPublicKey(key).export({ type: 'spki', format: 'der' }))
}
