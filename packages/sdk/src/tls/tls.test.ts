import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as plainConnect, rootCertificates } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { X509BundleSet } from '../bundle/index.ts'
import { SpiffeId } from '../spiffe-id/index.ts'
import { makeTestCertificate, TestCa } from '../testing/index.ts'
import { parseCertificate } from '../x509/index.ts'
import { X509Svid } from '../x509-svid/index.ts'
import {
  type Authorizer,
  authorizeAny,
  authorizeId,
  authorizeMemberOf,
  connectTls,
  SvidHttpsAgent,
  SvidTlsServer,
  type SvidTlsServerOptions,
  type TlsConnection,
} from './index.ts'

/** A source whose SVID and bundles the test replaces. */
class Identity {
  svid: X509Svid
  set: X509BundleSet
  readonly #listeners = new Set<() => void>()

  constructor(ca: TestCa, path: string, ...trusted: readonly TestCa[]) {
    this.svid = ca.issueX509Svid(path)
    this.set = new X509BundleSet(trusted.map((one) => one.x509Bundle))
  }

  getX509Svid(): X509Svid {
    return this.svid
  }

  findX509Bundle(
    ...args: Parameters<X509BundleSet['findX509Bundle']>
  ): ReturnType<X509BundleSet['findX509Bundle']> {
    return this.set.findX509Bundle(...args)
  }

  onUpdate(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  update(): void {
    for (const listener of this.#listeners) listener()
  }
}

const ca = TestCa.create('example.org')
const foreign = TestCa.create('foreign.test')
const serverId = SpiffeId.parse('spiffe://example.org/server')
const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(
  identity: Identity,
  options: Partial<SvidTlsServerOptions> = {},
): Promise<{ readonly port: number; readonly refused: unknown[]; readonly server: SvidTlsServer }> {
  const refused: unknown[] = []
  const server = new SvidTlsServer({
    svids: identity,
    bundles: identity,
    authorize: authorizeAny(),
    onConnection: (socket, peer) => socket.end(`hello ${peer.spiffeId}`),
    onRefused: (error) => refused.push(error),
    ...options,
  })
  cleanups.push(() => server.close())
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { port, refused, server }
}

async function call(
  port: number,
  identity: Identity | undefined,
  authorize: Authorizer = authorizeId(serverId),
  bundles = identity,
): Promise<TlsConnection> {
  const connection = await connectTls({
    host: '127.0.0.1',
    port,
    ...(identity && { svids: identity }),
    bundles: bundles ?? ca.x509Bundle,
    authorize,
  })
  cleanups.push(() => void connection.socket.destroy())
  connection.socket.on('error', () => {})
  return connection
}

async function read({ socket }: TlsConnection): Promise<string> {
  const parts: Buffer[] = []
  try {
    for await (const part of socket) parts.push(part)
  } catch {
    return 'reset'
  }
  return Buffer.concat(parts).toString()
}

/** The name of an authority that Node trusts where nothing else is said, and a key that it does not have. */
function publicName(): { readonly name: Uint8Array; readonly privateKey: KeyObject } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  for (const pem of rootCertificates) {
    const { raw, publicKey } = new X509Certificate(pem)
    if (publicKey.asymmetricKeyType === 'ec')
      return { name: parseCertificate(raw).subjectRaw, privateKey }
  }
  throw new Error('Node knows no authority')
}

const code = (value: string): unknown => expect.objectContaining({ code: value })

describe('mutual TLS', () => {
  const good = (): Identity => new Identity(ca, '/server', ca, foreign)

  it.each([
    ['clients of its own trust domain', ca],
    ['clients of a federated trust domain', foreign],
    ['clients with an intermediate', ca.createIntermediate()],
  ])('lets in %s and says who they are', async (_, theirs) => {
    const { port } = await serve(good())
    const client = new Identity(theirs, '/client', ca)
    const connection = await call(port, client)
    expect(connection.peer.spiffeId.equals(serverId)).toBe(true)
    expect(await read(connection)).toBe(`hello spiffe://${theirs.trustDomain}/client`)
  })

  it('shows the client the whole chain of a server below an intermediate', async () => {
    const { port } = await serve(new Identity(ca.createIntermediate(), '/server', ca))
    const { peer } = await call(port, new Identity(ca, '/client', ca))
    expect(peer.chain.length).toBe(2)
  })

  it('finds the intermediate of a client that sends its leaf twice', async () => {
    const { port } = await serve(good())
    const svid = ca.createIntermediate().issueX509Svid('/client')
    const [leaf = ''] = svid.marshalChainPem().split(/(?<=END CERTIFICATE-----\n)/)
    const socket = plainConnect({
      port,
      host: '127.0.0.1',
      key: svid.marshalKeyPem(),
      cert: leaf + svid.marshalChainPem(),
      rejectUnauthorized: false,
    })
    socket.on('error', () => {})
    expect(await text(socket)).toBe('hello spiffe://example.org/client')
  })

  it('shows nothing beside its chain, although OpenSSL has an authority that would fit', async () => {
    const { name, privateKey } = publicName()
    const says = { publicKey: createPublicKey(privateKey), uris: [String(serverId)] }
    const times = { notBefore: new Date(0), notAfter: new Date(1e13) }
    const der = makeTestCertificate(
      { name, privateKey },
      { ...says, ...times, keyUsage: ['digitalSignature'] },
    )
    const identity = new Identity(ca, '/server', ca)
    identity.svid = new X509Svid({ chain: [parseCertificate(der)], privateKey })
    const { port } = await serve(identity)
    const socket = plainConnect({ port, host: '127.0.0.1', ca: [], rejectUnauthorized: false })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    expect(socket.getPeerX509Certificate()?.issuerCertificate).toBeUndefined()
    socket.destroy()
  })

  it('refuses a client without certificate', async () => {
    const { port, refused } = await serve(good())
    expect(await read(await call(port, undefined))).not.toContain('hello')
    expect(refused).toEqual([code('ERR_TLS_NO_CERTIFICATE')])
  })

  it('refuses a client that nobody vouches for, or another trust domain does', async () => {
    const { port, refused } = await serve(new Identity(ca, '/server', ca))
    const stranger = TestCa.create('example.org')
    for (const theirs of [stranger, foreign])
      expect(await read(await call(port, new Identity(theirs, '/client', ca)))).not.toContain(
        'hello',
      )
    expect(refused).toEqual([code('ERR_X509_SVID_UNTRUSTED'), code('ERR_X509_SVID_UNTRUSTED')])
  })

  it('refuses a client that is not authorized', async () => {
    const { port, refused } = await serve(good(), { authorize: authorizeMemberOf(ca.trustDomain) })
    const connection = await call(port, new Identity(foreign, '/client', ca))
    expect(await read(connection)).not.toContain('hello')
    expect(refused).toEqual([code('ERR_SPIFFE_ID_UNEXPECTED')])
  })

  it('refuses a server with another ID, one that nobody vouches for, and one that has expired', async () => {
    const client = new Identity(ca, '/client', ca)
    const other = await serve(new Identity(ca, '/other', ca))
    await expect(call(other.port, client)).rejects.toEqual(code('ERR_SPIFFE_ID_UNEXPECTED'))
    const unknown = await serve(new Identity(foreign, '/server', ca))
    await expect(call(unknown.port, client, authorizeAny())).rejects.toEqual(
      code('ERR_X509_SVID_UNTRUSTED'),
    )
    const expired = good()
    expired.svid = ca.issueX509Svid('/server', { notAfter: new Date(Date.now() - 1000) })
    const { port } = await serve(expired)
    await expect(call(port, client)).rejects.toEqual(code('ERR_X509_SVID_EXPIRED'))
  })

  it('fails with a code when nobody listens, the peer speaks no TLS, or the caller gives up', async () => {
    const client = new Identity(ca, '/client', ca)
    const web = createHttpServer()
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    const { port } = web.address() as AddressInfo
    await expect(call(port, client)).rejects.toEqual(code('ERR_TLS_CONNECT'))
    await new Promise((resolve) => web.close(resolve))
    await expect(call(port, client)).rejects.toEqual(code('ERR_TLS_CONNECT'))
    const signal = AbortSignal.abort(new Error('given up'))
    await expect(
      connectTls({ host: '127.0.0.1', port, bundles: client, authorize: authorizeAny(), signal }),
    ).rejects.toThrow('given up')
  })

  it('presents the renewed SVID from the next handshake on, and keeps the connection that is', async () => {
    const identity = good()
    const { port } = await serve(identity, { onConnection: () => {} })
    const client = new Identity(ca, '/client', ca)
    const before = await call(port, client)
    identity.svid = ca.issueX509Svid('/server')
    identity.update()
    const after = await call(port, client)
    expect(after.peer.chain[0]).toEqual(Buffer.from(identity.svid.chain[0].raw))
    expect(before.peer.chain[0]).not.toEqual(after.peer.chain[0])
    expect(before.socket.destroyed).toBe(false)
  })

  it('closes connections whose peers are no longer trusted, and no others', async () => {
    const identity = good()
    const { port, refused } = await serve(identity, { onConnection: (socket) => socket.resume() })
    const kept = await call(port, new Identity(ca, '/client', ca))
    const dropped = await call(port, new Identity(foreign, '/client', ca))
    // Both have arrived when the server has answered a third; then one trust domain is withdrawn.
    await call(port, new Identity(ca, '/other', ca))
    const closed = new Promise((resolve) => dropped.socket.once('close', resolve))
    dropped.socket.resume()
    identity.set = new X509BundleSet([ca.x509Bundle])
    identity.update()
    await closed
    expect(kept.socket.destroyed).toBe(false)
    expect(refused).toEqual([code('ERR_X509_SVID_UNTRUSTED')])
  })

  it('resumes no session, so that every connection shows its chain', async () => {
    const { port } = await serve(good(), { onConnection: (socket) => socket.end('hello') })
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const { svid } = new Identity(ca, '/client', ca)
      const own = { key: svid.marshalKeyPem(), cert: svid.marshalChainPem(), ca: [] }
      const options = { port, host: '127.0.0.1', ...own, rejectUnauthorized: false, maxVersion }
      const session = await new Promise<Buffer | undefined>((resolve) => {
        const socket = plainConnect(options)
        let latest: Buffer | undefined
        socket.on('session', (given) => {
          latest = given
        })
        socket.on('close', () => resolve(latest ?? socket.getSession()))
        socket.resume()
      })
      const isReused = await new Promise<boolean>((resolve, reject) => {
        const socket = plainConnect({ ...options, ...(session && { session }) }, () => {
          resolve(socket.isSessionReused())
          socket.destroy()
        })
        socket.on('error', reject)
      })
      expect(isReused).toBe(false)
    }
  })

  it('serves HTTP requests that know their caller, to an agent that checks the server', async () => {
    const web = createHttpServer((request, response) => {
      response.end(String(server.findPeer(request.socket)?.spiffeId))
    })
    const { port, server } = await serve(good(), {
      onConnection: (socket) => web.emit('connection', socket),
    })
    const client = new Identity(ca, '/client', ca)
    const ask = (authorize: Authorizer): Promise<string> =>
      new Promise((resolve, reject) => {
        const agent = new SvidHttpsAgent({ svids: client, bundles: client, authorize })
        get({ host: '127.0.0.1', port, agent }, (response) => {
          response.setEncoding('utf8').on('data', resolve)
        }).on('error', reject)
      })
    expect(await ask(authorizeId(serverId))).toBe('spiffe://example.org/client')
    const other = SpiffeId.parse('spiffe://example.org/other')
    await expect(ask(authorizeId(other))).rejects.toEqual(code('ERR_SPIFFE_ID_UNEXPECTED'))
  })
})
