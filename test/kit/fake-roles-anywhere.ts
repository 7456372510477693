import { createHash, verify, X509Certificate } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '@mini-spire/runtime/clock'

/** What a fake IAM Roles Anywhere trusts, and whom it gives the role. */
export interface FakeRolesAnywhereOptions {
  /** The certificate of the trust anchor, DER. */
  readonly trustAnchor: Uint8Array
  readonly region: string
  readonly trustAnchorArn: string
  readonly profileArn: string
  readonly roleArn: string
  /** The URI that the role's trust policy asks of the certificate. */
  readonly subject: string
}

const tokenPattern =
  /^(AWS4-X509-(?:RSA|ECDSA)-SHA256) Credential=(\d+)\/(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]+)$/
const mustBeSigned: readonly string[] = ['content-type', 'host', 'x-amz-date', 'x-amz-x509']
const longestSkewMs = 5 * 60_000

/**
 * `CreateSession` of IAM Roles Anywhere, without the credentials being worth anything: whether a request is let in is worked
 * out from what arrived and from the certificate in it, by AWS's published description of the signature.
 */
export class FakeRolesAnywhere implements AsyncDisposable {
  readonly endpoint: string
  /** What came: `undefined` where the request was let in, else why not. */
  readonly verdicts: (string | undefined)[] = []
  /** Changes the next request after it came, as somebody on the way would. */
  tamper: ((headers: Map<string, string>, body: string) => string) | undefined
  readonly #server: Server
  readonly #options: FakeRolesAnywhereOptions

  private constructor(server: Server, options: FakeRolesAnywhereOptions) {
    this.#server = server
    this.#options = options
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  }

  static async start(options: FakeRolesAnywhereOptions): Promise<FakeRolesAnywhere> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const made = new FakeRolesAnywhere(server, options)
    server.on('request', (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const fault = made.#judge(request, Buffer.concat(pieces).toString())
        made.verdicts.push(fault)
        const { roleArn } = options
        response.setHeader('content-type', 'application/json')
        if (fault !== undefined) response.writeHead(403).end(JSON.stringify({ message: fault }))
        else response.writeHead(201).end(JSON.stringify(sessionAnswer(roleArn)))
      })
    })
    return made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #judge(request: IncomingMessage, sent: string): string | undefined {
    const headers = new Map<string, string>()
    for (let at = 0; at < request.rawHeaders.length; at += 2)
      headers.set((request.rawHeaders[at] ?? '').toLowerCase(), request.rawHeaders[at + 1] ?? '')
    const body = this.tamper?.(headers, sent) ?? sent
    this.tamper = undefined
    const leaf = certificateIn(headers.get('x-amz-x509'))
    if (!leaf) return 'no certificate'
    return (
      this.#signatureFault(request, headers, body, leaf) ??
      this.#chainFault(leaf, headers.get('x-amz-x509-chain')) ??
      this.#roleFault(request.url ?? '', body) ??
      (leaf.subjectAltName === `URI:${this.#options.subject}` ? undefined : 'not the subject')
    )
  }

  #signatureFault(
    { method = '', url = '' }: IncomingMessage,
    headers: ReadonlyMap<string, string>,
    body: string,
    leaf: X509Certificate,
  ): string | undefined {
    const token = tokenPattern.exec(headers.get('authorization') ?? '')
    if (!token) return 'no signature'
    const [, algorithm, serial, scope, names = '', signature = ''] = token
    const time = headers.get('x-amz-date') ?? ''
    const signed = names.split(';')
    const instant = time.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')
    if (!(Math.abs(Date.parse(instant) - systemClock.nowMs()) <= longestSkewMs)) return 'not now'
    const chain = headers.has('x-amz-x509-chain') ? ['x-amz-x509-chain'] : []
    if (![...mustBeSigned, ...chain].every((name) => signed.includes(name))) return 'not all signed'
    if (signed.join() !== [...signed].sort().join()) return 'not sorted'
    if (scope !== `${time.slice(0, 8)}/${this.#options.region}/rolesanywhere/aws4_request`)
      return 'another scope'
    if (serial !== BigInt(`0x${leaf.serialNumber}`).toString()) return 'another serial number'
    const kind = algorithm === 'AWS4-X509-RSA-SHA256' ? 'rsa' : 'ec'
    if (leaf.publicKey.asymmetricKeyType !== kind) return 'another algorithm'
    const [path = '', query = ''] = url.split('?')
    let canonical = `${method}\n${path}\n${query}\n`
    for (const name of signed) canonical += `${name}:${(headers.get(name) ?? '').trim()}\n`
    canonical += `\n${names}\n${digest(body)}`
    const toSign = `${algorithm}\n${time}\n${scope}\n${digest(canonical)}`
    const isSigned = verify(
      'sha256',
      Buffer.from(toSign),
      leaf.publicKey,
      Buffer.from(signature, 'hex'),
    )
    return isSigned ? undefined : 'signature does not match'
  }

  #chainFault(leaf: X509Certificate, chain: string | undefined): string | undefined {
    const anchor = new X509Certificate(this.#options.trustAnchor)
    const above = [...(chain?.split(',') ?? []).map(certificateIn), anchor]
    if (leaf.ca) return 'a CA'
    const now = systemClock.nowMs()
    let below = leaf
    for (const issuer of above) {
      if (!issuer?.ca || !below.checkIssued(issuer) || !below.verify(issuer.publicKey))
        return 'no path to the trust anchor'
      if (now < Date.parse(below.validFrom) || now > Date.parse(below.validTo))
        return 'not valid now'
      below = issuer
    }
    return undefined
  }

  /** What is asked for stands in the body, or in the query as AWS's own helper has it. */
  #roleFault(url: string, body: string): string | undefined {
    const { trustAnchorArn, profileArn, roleArn } = this.#options
    const query = Object.fromEntries(new URL(url, this.endpoint).searchParams)
    const asked: Readonly<Record<string, unknown>> = { ...query, ...JSON.parse(body) }
    const isMine =
      asked['trustAnchorArn'] === trustAnchorArn &&
      asked['profileArn'] === profileArn &&
      asked['roleArn'] === roleArn
    return isMine && Number.isInteger(asked['durationSeconds']) ? undefined : 'not my role'
  }
}

function sessionAnswer(roleArn: string): object {
  const credentials = {
    accessKeyId: 'ASIAEXAMPLE',
    secretAccessKey: 'secret/key+1',
    sessionToken: 'session/token+with=signs',
    expiration: new Date(systemClock.nowMs() + 3_600_000).toISOString(),
  }
  return { credentialSet: [{ roleArn, credentials, packedPolicySize: 1 }], subjectArn: 'arn:aws:x' }
}

function certificateIn(base64: string | undefined): X509Certificate | undefined {
  try {
    return new X509Certificate(Buffer.from(base64 ?? '', 'base64'))
  } catch {
    return undefined
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
