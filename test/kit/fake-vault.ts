import { createPublicKey, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { systemClock } from '@mini-spire/runtime/clock'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { signerFromKeyObject } from '@mini-spire/runtime/x509/signer'
import { messageOf } from '@mini-spire/sdk/errors'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemDecode, pemEncode } from '@mini-spire/sdk/x509'
import { signUpstreamCsr } from '@mini-spire/server/plugins/upstream-authority/sign-csr'
import { findFault, type TrustPolicy } from './trust-policy.ts'

/** What the fake lets in, and how long its tokens live. */
export interface FakeVaultOptions {
  readonly namespace?: string
  readonly leaseSeconds?: number
  readonly isRenewable?: boolean
  /** `modern`: the new certificate stands first in `ca_chain`; `root`: no `ca_chain` at all. @default modern */
  readonly chain?: 'modern' | 'root'
  /** Whom the role `web` of the JWT auth method is bound to. */
  readonly jwtPolicy?: TrustPolicy
  /** The URI that the role `web` of the certificate auth method allows. */
  readonly certificateUri?: string
}

/** A call that arrived. */
export interface SeenCall {
  readonly method: string
  readonly path: string
  readonly body: Readonly<Record<string, string>>
  readonly token: string | undefined
  /** Whether it said that it is meant for Vault, as agents of Vault's may ask. */
  readonly isMarked: boolean
}

interface Reply {
  readonly status: number
  readonly json: unknown
}

const refused = (status: number, ...errors: readonly string[]): Reply => ({
  status,
  json: { errors },
})

/**
 * As much of Vault as a server below it speaks to: login by token, AppRole, certificate and Kubernetes, renewal, and a PKI
 * engine that really signs, all over TLS. It is one of the things that cannot be had in a test run.
 */
export class FakeVault {
  readonly root: TestCa = TestCa.create('vault.test')
  readonly #tls: TestCa = TestCa.create('vault.test')
  readonly pki: TestCa = TestCa.create('example.org')
  readonly #signing: TestCa = this.pki.createIntermediate()
  readonly calls: SeenCall[] = []
  readonly #options: FakeVaultOptions
  /** What is good, and the certificate it was given for. */
  readonly #tokens = new Map<string, string | undefined>([['root-token', undefined]])
  /** Answers to the next calls, in place of the right ones. */
  readonly instead: Reply[] = []
  readonly #server = createServer(
    { ...this.#serverCertificate(), requestCert: true, rejectUnauthorized: false },
    (request, response) => void this.#serve(request, response),
  )
  #port = 0

  constructor(options: FakeVaultOptions = {}) {
    this.#options = options
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  get address(): string {
    return `https://localhost:${this.#port}`
  }

  /** PEM of the authority that its TLS certificate leads to. */
  get tlsRoot(): string {
    return pemEncode('CERTIFICATE', this.#tls.certificate.raw)
  }

  /** A client certificate that it knows; PEM. */
  clientCertificate(): { readonly chain: string; readonly key: string } {
    const svid = this.root.issueX509Svid('/client')
    return {
      chain: svid.chain.map(({ raw }) => pemEncode('CERTIFICATE', raw)).join(''),
      key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }

  /** Takes every token back. */
  revokeTokens(): void {
    this.#tokens.clear()
  }

  #serverCertificate(): { readonly key: string; readonly cert: string } {
    const svid = this.#tls.issueX509Svid('/server', { dnsNames: ['localhost'] })
    return {
      cert: svid.chain.map(({ raw }) => pemEncode('CERTIFICATE', raw)).join(''),
      key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const piece of request) text += String(piece)
    const { status, json } = await this.#reply(request, text === '' ? {} : JSON.parse(text))
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  }

  async #reply(request: IncomingMessage, body: SeenCall['body']): Promise<Reply> {
    const { method = '', url = '', headers } = request
    const path = url.replace('/v1/', '')
    const token = headers['x-vault-token']?.toString()
    const isMarked = headers['x-vault-request'] === 'true'
    this.calls.push({ method, path, body, token, isMarked })
    const instead = this.instead.shift()
    if (instead) return instead
    const { namespace = '' } = this.#options
    if ((headers['x-vault-namespace'] ?? '') !== namespace) return refused(404, 'no such namespace')
    if (path.endsWith('/login')) return await this.#login(path, body, request.socket as TLSSocket)
    if (token === undefined || !this.#tokens.has(token)) return refused(403, 'permission denied')
    if (path === 'auth/token/lookup-self') return this.#lookUp()
    if (path === 'auth/token/renew-self') return this.#renew(token, request.socket as TLSSocket)
    if (path === 'auth/token/revoke-self') {
      this.#tokens.delete(token)
      return { status: 204, json: undefined }
    }
    if (path === 'pki/root/sign-intermediate') {
      return await this.#sign(body).catch((error: unknown) => refused(400, messageOf(error)))
    }
    return refused(404, `no handler for route "${path}"`)
  }

  async #login(path: string, body: SeenCall['body'], socket: TLSSocket): Promise<Reply> {
    const [, mount] = path.split('/')
    const isIn =
      (mount === 'approle' && body['role_id'] === 'role' && body['secret_id'] === 'secret') ||
      (mount === 'kubernetes' && body['role'] === 'server' && body['jwt'] === 'service-account') ||
      (mount === 'cert' && this.#knows(socket) && this.#isCalled(socket)) ||
      (mount === 'jwt' && body['role'] === 'web' && (await this.#isBound(body['jwt'])))
    // A careless one repeats what it was sent.
    const repeated = body['jwt'] === undefined ? [] : [body['jwt']]
    if (!isIn) return refused(400, 'invalid role or secret ID', ...repeated)
    const token = randomUUID()
    const { fingerprint256 } = socket.getPeerX509Certificate() ?? {}
    this.#tokens.set(token, mount === 'cert' ? fingerprint256 : undefined)
    return { status: 200, json: this.#auth(token) }
  }

  /** A token of a certificate is renewed with that certificate only. */
  #renew(token: string, socket: TLSSocket): Reply {
    const bound = this.#tokens.get(token)
    const isBound = bound === undefined || socket.getPeerX509Certificate()?.fingerprint256 === bound
    return isBound ? { status: 200, json: this.#auth(token) } : refused(403, 'permission denied')
  }

  async #isBound(token: string | undefined): Promise<boolean> {
    const { jwtPolicy } = this.#options
    return jwtPolicy !== undefined && (await findFault(token ?? '', jwtPolicy)) === undefined
  }

  #isCalled(socket: TLSSocket): boolean {
    const { certificateUri } = this.#options
    const names = socket.getPeerX509Certificate()?.subjectAltName
    return certificateUri === undefined || names === `URI:${certificateUri}`
  }

  #knows(socket: TLSSocket): boolean {
    const certificate = socket.getPeerX509Certificate()
    return certificate?.verify(createPublicKey(this.root.privateKey)) === true
  }

  #auth(token: string): unknown {
    const { leaseSeconds = 3600, isRenewable = true } = this.#options
    const auth = { client_token: token, renewable: isRenewable, lease_duration: leaseSeconds }
    return { auth }
  }

  #lookUp(): Reply {
    const { leaseSeconds = 3600, isRenewable = true } = this.#options
    return { status: 200, json: { data: { ttl: leaseSeconds, renewable: isRenewable } } }
  }

  async #sign(body: SeenCall['body']): Promise<Reply> {
    const isRoot = this.#options.chain === 'root'
    const ca = isRoot ? this.pki : this.#signing
    const [csr] = pemDecode(body['csr'] ?? '', 'CERTIFICATE REQUEST')
    const signed = await signUpstreamCsr({
      ca: { certificate: ca.certificate, signer: signerFromKeyObject(ca.privateKey) },
      csr: csr ?? Buffer.of(),
      preferredTtlSeconds: Number(body['ttl']),
      trustDomain: this.pki.trustDomain,
      serialNumbers: new SerialNumbers(),
      nowMs: systemClock.nowMs(),
    })
    const pem = (der: Uint8Array): string => pemEncode('CERTIFICATE', der).trimEnd()
    const certificate = pem(signed)
    const issuing = pem(ca.certificate.raw)
    const chain = isRoot ? {} : { ca_chain: [certificate, issuing, pem(this.pki.certificate.raw)] }
    return { status: 200, json: { data: { certificate, issuing_ca: issuing, ...chain } } }
  }
}
