import { X509Certificate } from 'node:crypto'
import { messageOf } from '@mini-spire/sdk/errors'
import type AcmeClient from 'acme-client'
import type { HttpClient } from '../http/http-client.ts'
import { HttpsError } from './https-error.ts'
import type { KeyPair } from './serving-certificate.ts'

/** What a certificate is ordered with. */
export interface AcmeOrder {
  /** Of the certificate authority [RFC 8555 7.1.1]. */
  readonly directoryUrl: string
  readonly domainName: string
  readonly email: string
  readonly isTosAccepted: boolean
  /** PEM. */
  readonly accountKey: string
  readonly userAgent: string
  readonly http: Pick<HttpClient, 'request'>
  /** Shows a proof to whoever asks for the domain by TLS-ALPN-01 until the answer is called. */
  readonly prove: (proof: KeyPair) => () => void
}

/**
 * Orders a certificate for one host name by ACME [RFC 8555], and proves that the host is ours by TLS-ALPN-01 [RFC 8737].
 *
 * @throws {HttpsError} `ERR_HTTPS_ACME`
 */
export async function orderCertificate(order: AcmeOrder): Promise<KeyPair> {
  // Loaded when it is needed only: with what it brings it is larger than the rest of the server.
  const { default: acme } = await import('acme-client')
  acme.axios.defaults.adapter = throughHttpClient(order)
  // Whoever orders decides when to try again.
  const settings: unknown = Reflect.get(acme.axios.defaults, 'acmeSettings')
  Object.assign(settings as object, { retryMaxAttempts: 0 })
  try {
    return await place(acme, order)
  } catch (cause) {
    const message = `no certificate for ${order.domainName}: ${messageOf(cause).slice(0, 300)}`
    throw new HttpsError('ERR_HTTPS_ACME', message, { cause })
  }
}

/** A new key for an account, PEM. */
export async function newAccountKey(): Promise<string> {
  const { default: acme } = await import('acme-client')
  return (await acme.crypto.createPrivateEcdsaKey()).toString()
}

async function place(acme: typeof AcmeClient, order: AcmeOrder): Promise<KeyPair> {
  const { directoryUrl, accountKey, domainName, email, isTosAccepted } = order
  const client = new acme.Client({ directoryUrl, accountKey })
  await client.createAccount({
    termsOfServiceAgreed: isTosAccepted,
    ...(email !== '' && { contact: [`mailto:${email}`] }),
  })
  const placed = await client.createOrder({ identifiers: [{ type: 'dns', value: domainName }] })
  for (const authorization of await client.getAuthorizations(placed)) {
    if (authorization.status === 'pending') await prove(acme, client, order, authorization)
  }
  const [key, request] = await acme.crypto.createCsr(
    { commonName: domainName, altNames: [domainName] },
    await acme.crypto.createPrivateEcdsaKey(),
  )
  const cert = await client.getCertificate(await client.finalizeOrder(placed, request))
  if (!new X509Certificate(cert).checkHost(domainName)) {
    throw new Error('the certificate is for another name')
  }
  return { key: key.toString(), cert }
}

async function prove(
  acme: typeof AcmeClient,
  client: AcmeClient.Client,
  order: AcmeOrder,
  authorization: AcmeClient.Authorization,
): Promise<void> {
  const challenge = authorization.challenges.find(isAlpn)
  if (!challenge) throw new Error('the authority does not offer TLS-ALPN-01')
  const answer = await client.getChallengeKeyAuthorization(challenge)
  const [key, cert] = await acme.crypto.createAlpnCertificate(authorization, answer)
  const withdraw = order.prove({ key: key.toString(), cert: cert.toString() })
  try {
    await client.completeChallenge(challenge)
    await client.waitForValidStatus(challenge)
  } finally {
    withdraw()
  }
}

/** Sends the library's requests the way all others go: roots, proxies and bounds are those of the HTTP client. */
function throughHttpClient({
  http,
  userAgent,
}: AcmeOrder): NonNullable<typeof AcmeClient.axios.defaults.adapter> {
  return async (config) => {
    const { status, statusLine, headers, body } = await http.request({
      url: String(config.url),
      method: methodOf(config.method),
      headers: { ...textHeaders(config.headers.toJSON()), 'user-agent': userAgent },
      ...(typeof config.data === 'string' && { body: config.data }),
    })
    return {
      data: Buffer.from(body).toString('utf8'),
      status,
      statusText: statusLine,
      headers: { ...headers } as Record<string, string>,
      config,
    }
  }
}

function methodOf(method: string | undefined): 'GET' | 'HEAD' | 'POST' {
  const upper = (method ?? 'GET').toUpperCase()
  if (upper === 'GET' || upper === 'HEAD' || upper === 'POST') return upper
  throw new Error(`ACME does not use ${upper}`)
}

function textHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(headers).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return Object.fromEntries(texts.filter(([name]) => !/^(user-agent|host)$/i.test(name)))
}

/** The library's types do not know of this kind, though it does. */
function isAlpn({ type }: { readonly type: string }): boolean {
  return type === 'tls-alpn-01'
}
