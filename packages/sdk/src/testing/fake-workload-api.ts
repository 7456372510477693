import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type StatusObject,
} from '@grpc/grpc-js'
import { JwtBundleSet } from '../bundle/index.ts'
import { messageOf } from '../errors.ts'
import { GrpcStatus } from '../grpc-status.ts'
import { verifyJwtSvid } from '../jwt-svid/index.ts'
import {
  JWTBundlesResponse,
  JWTSVIDResponse,
  SpiffeWorkloadAPIService,
  ValidateJWTSVIDResponse,
  X509BundlesResponse,
  X509SVIDResponse,
} from '../proto/spiffe/workload/workload.ts'
import type { X509Svid } from '../x509-svid/index.ts'
import type { TestCa } from './test-ca.ts'

/** What a fake Workload API serves. */
export interface FakeWorkload {
  /** Signs JWT-SVIDs; its bundle is the workload's own. */
  readonly ca: TestCa
  /** The identities, the default one first. */
  readonly svids: readonly X509Svid[]
  /** Authorities of other trust domains. */
  readonly federated?: readonly TestCa[]
}

/** How a fake Workload API refuses. */
export interface FakeRefusal {
  /** gRPC status number. */
  readonly code: number
  readonly details: string
}

type Stream = ServerWritableStream<unknown, unknown>
type Reply = (error: Partial<StatusObject> | null, response?: unknown) => void

interface OpenStream {
  readonly call: Stream
  readonly message: (workload: FakeWorkload) => unknown
}

const noIdentity: FakeRefusal = {
  code: GrpcStatus.PermissionDenied,
  details: 'no identity issued',
}

/**
 * A Workload API on a Unix socket in a temporary folder, for tests of programs that use one. It behaves as an agent does,
 * the security header included, and says what the test tells it to.
 *
 * @example
 * await using api = await FakeWorkloadApi.start()
 * api.serve({ ca, svids: [ca.issueX509Svid('/web')] })
 * await using source = await X509Source.create({ address: api.address })
 */
export class FakeWorkloadApi implements AsyncDisposable {
  /** What clients connect to: `unix:///…`. */
  readonly address: string
  readonly #directory: string
  readonly #server: Server
  /** A listener of our own: grpc-js cannot say when a socket is gone, and a new one at its path would go with it. */
  readonly #listener: NetServer
  readonly #sockets = new Set<Socket>()
  readonly #streams = new Set<OpenStream>()
  #state: FakeWorkload | FakeRefusal = noIdentity

  private constructor(directory: string) {
    this.#directory = directory
    this.address = `unix://${join(directory, 'api.sock')}`
    this.#server = this.#makeServer()
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure())
    this.#listener = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.once('close', () => this.#sockets.delete(socket))
      injector.injectConnection(socket)
    })
  }

  /** Starts with no identity registered. */
  static async start(): Promise<FakeWorkloadApi> {
    const api = new FakeWorkloadApi(await mkdtemp(join(tmpdir(), 'fake-workload-api-')))
    await api.#listen()
    return api
  }

  /** How many streams are open. */
  get streamCount(): number {
    return this.#streams.size
  }

  /** Serves these identities from now on, to open streams too. */
  serve(workload: FakeWorkload): void {
    this.#state = workload
    for (const { call, message } of this.#streams) call.write(message(workload))
  }

  /** Refuses every call from now on, and ends open streams. @default as an agent that knows no entry for the caller */
  refuse(refusal: FakeRefusal = noIdentity): void {
    this.#state = refusal
    for (const { call } of this.#streams) refuse(call, refusal)
  }

  /** Sends this to open `FetchX509SVID` streams, whatever it is. */
  sendRaw(response: X509SVIDResponse): void {
    for (const { call, message } of this.#streams)
      if (message === x509Response) call.write(response)
  }

  /** Breaks every connection and listens anew, as an agent that is killed and started again. */
  async restart(): Promise<void> {
    await this.#stopListening()
    await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopListening()
    this.#server.forceShutdown()
    await rm(this.#directory, { recursive: true, force: true })
  }

  #makeServer(): Server {
    const server = new Server({ 'grpc.enable_channelz': 0 })
    server.addService(SpiffeWorkloadAPIService, {
      fetchX509Svid: (call: Stream) => this.#open(call, x509Response),
      fetchX509Bundles: (call: Stream) => this.#open(call, x509BundlesResponse),
      fetchJwtBundles: (call: Stream) => this.#open(call, jwtBundlesResponse),
      fetchJwtsvid: (call: UnaryCall<JwtRequest>, reply: Reply) =>
        this.#answer(call, reply, (workload) => jwtResponse(workload, call.request)),
      validateJwtsvid: (call: UnaryCall<ValidateRequest>, reply: Reply) =>
        this.#answer(call, reply, (workload) => validateResponse(workload, call.request)),
      fetchWitsvid: (call: Stream) => refuse(call, unimplemented),
      fetchWitBundles: (call: Stream) => refuse(call, unimplemented),
    })
    return server
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject)
      this.#listener.listen(join(this.#directory, 'api.sock'), resolve)
    })
  }

  #stopListening(): Promise<void> {
    return new Promise((resolve) => {
      this.#listener.close(() => resolve())
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  #open(call: Stream, message: (workload: FakeWorkload) => unknown): void {
    const refusal = this.#refusalOf(call.metadata)
    if (refusal) {
      refuse(call, refusal)
      return
    }
    const open: OpenStream = { call, message }
    this.#streams.add(open)
    call.once('cancelled', () => this.#streams.delete(open))
    call.once('close', () => this.#streams.delete(open))
    call.write(message(this.#state as FakeWorkload))
  }

  #answer(
    call: { readonly metadata: Metadata },
    reply: Reply,
    answer: (workload: FakeWorkload) => unknown,
  ): void {
    const refusal = this.#refusalOf(call.metadata)
    try {
      if (refusal) reply(refusal)
      else reply(null, answer(this.#state as FakeWorkload))
    } catch (error) {
      reply({ code: GrpcStatus.InvalidArgument, details: messageOf(error) })
    }
  }

  #refusalOf(metadata: Metadata): FakeRefusal | undefined {
    if (metadata.get('workload.spiffe.io').join() !== 'true')
      return {
        code: GrpcStatus.InvalidArgument,
        details: 'security header missing from request',
      }
    return 'code' in this.#state ? this.#state : undefined
  }
}

interface UnaryCall<R> {
  readonly metadata: Metadata
  readonly request: R
}

interface JwtRequest {
  readonly audience: string[]
  readonly spiffeId: string
}

interface ValidateRequest {
  readonly audience: string
  readonly svid: string
}

const unimplemented: FakeRefusal = {
  code: GrpcStatus.Unimplemented,
  details: 'fetching WIT-SVIDs is not implemented',
}

function refuse(call: Stream, refusal: FakeRefusal): void {
  call.emit('error', refusal)
}

function x509Response({ svids, ca, federated = [] }: FakeWorkload): X509SVIDResponse {
  return X509SVIDResponse.fromPartial({
    svids: svids.map((svid) => ({
      spiffeId: svid.spiffeId.toString(),
      x509Svid: Buffer.concat(svid.chain.map((one) => one.raw)),
      x509SvidKey: svid.privateKey.export({ type: 'pkcs8', format: 'der' }),
      bundle: ca.x509Bundle.marshalDer(),
      hint: svid.hint,
    })),
    federatedBundles: x509Map(federated),
  })
}

function x509BundlesResponse({ ca, federated = [] }: FakeWorkload): X509BundlesResponse {
  return X509BundlesResponse.fromPartial({ bundles: x509Map([ca, ...federated]) })
}

function jwtBundlesResponse({ ca, federated = [] }: FakeWorkload): JWTBundlesResponse {
  return JWTBundlesResponse.fromPartial({
    bundles: new Map(
      [ca, ...federated].map(({ trustDomain, jwtBundle }) => [
        trustDomain.idString,
        Buffer.from(jwtBundle.marshal()),
      ]),
    ),
  })
}

function jwtResponse(
  { svids, ca }: FakeWorkload,
  { audience, spiffeId }: JwtRequest,
): JWTSVIDResponse {
  if (audience.length === 0) throw new Error('audience must be specified')
  const asked = svids.filter((svid) => spiffeId === '' || svid.spiffeId.toString() === spiffeId)
  return JWTSVIDResponse.fromPartial({
    svids: asked.map((svid) => {
      const id = svid.spiffeId.toString()
      return { spiffeId: id, svid: ca.signJwtSvid(id, { audience }), hint: svid.hint }
    }),
  })
}

function validateResponse(
  { ca, federated = [] }: FakeWorkload,
  { audience, svid }: ValidateRequest,
): ValidateJWTSVIDResponse {
  const bundles = new JwtBundleSet([ca, ...federated].map((one) => one.jwtBundle))
  const { spiffeId, claims } = verifyJwtSvid(svid, { audience, bundles, now: new Date() })
  return ValidateJWTSVIDResponse.fromPartial({ spiffeId: spiffeId.toString(), claims })
}

function x509Map(authorities: readonly TestCa[]): Map<string, Uint8Array> {
  return new Map(
    authorities.map(({ trustDomain, x509Bundle }) => [
      trustDomain.idString,
      x509Bundle.marshalDer(),
    ]),
  )
}
