import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyIdentifier, parsePublicKey } from '@mini-spire/sdk/x509'
import { CertificateWriter } from '../x509/certificate-writer.ts'
import { encodeName } from '../x509/name.ts'
import { signerFromKeyObject } from '../x509/signer.ts'

/** Servers and folders of one test; closed after it. */
export class HttpScene {
  readonly #closers: (() => unknown)[] = []

  /** Ends everything that the test began. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }

  folder(): string {
    const made = mkdtempSync(join(tmpdir(), 'http-'))
    this.#closers.push(() => rmSync(made, { recursive: true, force: true }))
    return made
  }

  /** Listens on a free port, or on a socket file. */
  listen(server: Server & { closeAllConnections?(): void }, path?: string): Promise<number> {
    this.#closers.push(() => {
      server.close()
      server.closeAllConnections?.()
    })
    return new Promise((resolve) => {
      if (path !== undefined) server.listen(path, () => resolve(0))
      else server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    })
  }
}

/** A certificate for a host name, and the root that signed it; PEM. */
export interface NamedCertificate {
  readonly root: string
  readonly key: string
  readonly cert: string
}

/** A root and a certificate for `name` that it signed. */
export async function issue(name: string): Promise<NamedCertificate> {
  const keys = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const [caKey, key] = keys
  if (!caKey || !key) throw new Error('no keys')
  const subject = encodeName({ organization: ['test'] })
  const make = async (profile: 'ca' | 'leaf', own: typeof key): Promise<string> => {
    const publicKey = parsePublicKey(createPublicKey(own).export({ type: 'spki', format: 'der' }))
    const caId = keyIdentifier(
      parsePublicKey(createPublicKey(caKey).export({ type: 'spki', format: 'der' })),
    )
    const issuer = { name: subject, keyId: caId, signer: signerFromKeyObject(caKey) }
    const der = await new CertificateWriter(issuer, profile).write({
      serialNumber: Buffer.of(profile === 'ca' ? 1 : 2),
      notBeforeSeconds: 1_700_000_000,
      notAfterSeconds: 4_000_000_000,
      subject: profile === 'ca' ? subject : encodeName({ commonName: name }),
      publicKey,
      uri: 'spiffe://example.org/x',
      dnsNames: profile === 'ca' ? [] : [name],
    })
    return new X509Certificate(der).toString()
  }
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { root: await make('ca', caKey), key: pem, cert: await make('leaf', key) }
}
