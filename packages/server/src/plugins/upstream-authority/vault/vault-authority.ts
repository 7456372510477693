import type { Clock } from '@mini-spire/runtime/clock'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { objectIn, stringIn, stringsIn } from '@mini-spire/runtime/json-fields'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { type Csr, parseCsr } from '@mini-spire/runtime/x509/csr'
import { isSpiffeError, messageOf } from '@mini-spire/sdk/errors'
import { parseCertificate, pemDecode, pemEncode } from '@mini-spire/sdk/x509'
import {
  type MintedX509Ca,
  type MintX509CaRequest,
  noUpdates,
  type PublishedJwtKeys,
  publishingUnsupported,
  subscribingUnsupported,
  type UpstreamAuthority,
  type UpstreamBundle,
} from '../upstream-authority.ts'
import { UpstreamAuthorityError } from '../upstream-authority-error.ts'
import type { VaultSettings } from './vault-config.ts'
import { VaultHttp } from './vault-http.ts'
import { VaultSession } from './vault-session.ts'

/** Options of {@link VaultUpstreamAuthority}. */
export interface VaultUpstreamAuthorityOptions {
  readonly settings: VaultSettings
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly log: Logger
}

/** An upstream authority that is a PKI secrets engine of Vault: its CA signs, its root is trusted. */
export class VaultUpstreamAuthority implements UpstreamAuthority {
  readonly name = 'vault'
  readonly #options: VaultUpstreamAuthorityOptions
  readonly #vault: VaultHttp
  readonly #session: VaultSession

  constructor(options: VaultUpstreamAuthorityOptions) {
    this.#options = options
    this.#vault = new VaultHttp(options)
    const { auth } = options.settings
    this.#session = new VaultSession({ ...options, vault: this.#vault, auth })
  }

  /** @throws {UpstreamAuthorityError} `ERR_UPSTREAM_CSR_REFUSED`, `ERR_UPSTREAM_FAILED`, `ERR_UPSTREAM_UNAVAILABLE` */
  async mintX509Ca(request: MintX509CaRequest, signal: AbortSignal): Promise<MintedX509Ca> {
    const body = signingRequest(request)
    const token = await attempt('failed to prepare authenticated client', () =>
      this.#session.token(signal),
    )
    const path = `${this.#options.settings.pkiMount}/root/sign-intermediate`
    try {
      const answer = await attempt('failed to sign intermediate', () =>
        this.#vault.call({ method: 'PUT', path, body, token }, signal),
      )
      return mintedFrom(objectIn(answer, 'data'))
    } catch (error) {
      // The token may have been revoked: the next request logs in.
      if (isSpiffeError(error, 'ERR_UPSTREAM_FAILED')) this.#session.forget()
      throw error
    }
  }

  publishJwtKey(): Promise<PublishedJwtKeys> {
    return Promise.reject(publishingUnsupported())
  }

  // biome-ignore lint/correctness/useYield: there is nothing to follow.
  async *subscribeToLocalBundle(): AsyncGenerator<UpstreamBundle, void, undefined> {
    throw subscribingUnsupported()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]()
  }
}

function signingRequest({
  csr: der,
  preferredTtlSeconds,
}: MintX509CaRequest): Readonly<Record<string, string>> {
  const csr = readCsr(der)
  const { name } = csr.parseSubject()
  const { uris } = csr.parseSubjectAltName()
  if (uris.length === 0)
    throw new UpstreamAuthorityError('ERR_UPSTREAM_CSR_REFUSED', 'CSR must have at least one URI')
  return {
    common_name: name.commonName ?? '',
    organization: (name.organization ?? []).join(','),
    country: (name.country ?? []).join(','),
    uri_sans: uris.join(','),
    csr: pemEncode('CERTIFICATE REQUEST', der),
    ttl: preferredTtlSeconds === 0 ? '' : String(preferredTtlSeconds),
  }
}

function readCsr(der: Uint8Array): Csr {
  try {
    return parseCsr(der)
  } catch (cause) {
    const message = `failed to parse CSR data: ${messageOf(cause)}`
    throw new UpstreamAuthorityError('ERR_UPSTREAM_CSR_REFUSED', message, { cause })
  }
}

/** Vault lists the chain from the signing CA up to the root; newer ones put the new certificate in front of it. */
function mintedFrom(data: object): MintedX509Ca {
  const certificate = required(data, 'certificate')
  const listed = stringsIn(data, 'ca_chain')
  const root = listed.at(-1) ?? required(data, 'issuing_ca')
  const between = listed.filter((pem) => pem !== root && pem !== certificate)
  const chain = [
    derOf('failed to parse certificate', certificate),
    ...between.map((pem) => derOf('failed to parse upstream bundle certificates', pem)),
  ]
  const rootDer = derOf('failed to parse Root CA certificate', root)
  return {
    chain,
    roots: [{ certificate: rootDer, tainted: false }],
    rootUpdates: noUpdates(),
  }
}

function required(data: object, key: 'certificate' | 'issuing_ca'): string {
  const value = stringIn(data, key)
  if (value === '') throw failed(`request is successful, but ${key} data is empty`)
  return value
}

function derOf(what: string, pem: string): Uint8Array {
  try {
    const [der] = pemDecode(pem, 'CERTIFICATE')
    if (!der) throw new Error('no PEM blocks')
    parseCertificate(der)
    return der
  } catch (cause) {
    throw failed(`${what}: ${messageOf(cause)}`, cause)
  }
}

async function attempt<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    const code = cause instanceof UpstreamAuthorityError ? cause.code : 'ERR_UPSTREAM_FAILED'
    throw new UpstreamAuthorityError(code, `${what}: ${messageOf(cause)}`, { cause })
  }
}

function failed(message: string, cause?: unknown): UpstreamAuthorityError {
  return new UpstreamAuthorityError('ERR_UPSTREAM_FAILED', message, { cause })
}
