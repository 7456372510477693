import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import { HealthCheckResponse, HealthService } from '@mini-spire/runtime/proto/grpc/health/v1/health'
import {
  AgentService,
  CountAgentsResponse,
  ListAgentsResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import {
  DebugService,
  GetInfoResponse,
} from '@mini-spire/runtime/proto/spire/api/server/debug/v1/debug'
import {
  BatchCreateEntryResponse,
  BatchDeleteEntryResponse,
  EntryService,
  ListEntriesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import {
  type AuthorityState,
  GetJWTAuthorityStateResponse,
  GetX509AuthorityStateResponse,
  LocalAuthorityService,
} from '@mini-spire/runtime/proto/spire/api/server/localauthority/v1/localauthority'
import { LoggerService } from '@mini-spire/runtime/proto/spire/api/server/logger/v1/logger'
import {
  ListFederationRelationshipsResponse,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { Agent } from '@mini-spire/runtime/proto/spire/api/types/agent'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { JoinToken } from '@mini-spire/runtime/proto/spire/api/types/jointoken'
import { Logger } from '@mini-spire/runtime/proto/spire/api/types/logger'
import {
  SpiffeWorkloadAPIService,
  X509SVIDResponse,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { TestCa } from '@mini-spire/sdk/testing'

const id = (path: string) => ({ trustDomain: 'example.org', path })

const entry = Entry.fromPartial({
  id: 'e1',
  spiffeId: id('/web'),
  parentId: id('/node'),
  selectors: [
    { type: 'unix', value: 'uid:1000' },
    { type: 'unix', value: 'path:/<bin>&' },
  ],
  x509SvidTtl: 300,
  federatesWith: ['other.org'],
  admin: true,
  expiresAt: 1_900_000_000n,
  dnsNames: ['web.example.org'],
  revisionNumber: 3n,
  hint: 'primary "one"',
  createdAt: 1_795_398_672n,
  additionalAttributes: { jwtSvidIncludeJti: true },
})
const plainEntry = Entry.fromPartial({ id: 'e2', spiffeId: id('/api'), parentId: id('/node') })
const agent = Agent.fromPartial({
  id: id('/spire/agent/x509pop/ab'),
  attestationType: 'x509pop',
  x509svidSerialNumber: '42',
  x509svidExpiresAt: 1_795_399_053n,
  canReattest: true,
  agentVersion: '1.15.3',
  selectors: [{ type: 'x509pop', value: 'subject:cn:n1' }],
})
const banned = Agent.fromPartial({
  id: id('/spire/agent/join_token/t'),
  attestationType: 'join_token',
  banned: true,
})
/** A root certificate and a P-256 public key, whose private halves nobody has. */
const certificate = Buffer.from(
  'MIICAjCCAaegAwIBAgIQcV/erxAkdw8ikZO5O09BODAKBggqhkjOPQQDAjBQMQswCQYDVQQGEwJVUzEPMA0GA1UEChMGU1BJRkZFMTAwLgYDVQQFEycxNTA3MDA1NDgyOTAxMTI1OTY2NTczODQ5OTQ5NTg5MjcxNTE0MTYwHhcNMjYxMTI0MTgwNTAwWhcNMjYxMTI1MTgwNTEwWjBQMQswCQYDVQQGEwJVUzEPMA0GA1UEChMGU1BJRkZFMTAwLgYDVQQFEycxNTA3MDA1NDgyOTAxMTI1OTY2NTczODQ5OTQ5NTg5MjcxNTE0MTYwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARJbAC6LOP5AX81k8U3BE3Z6HOmk/wfLugpCbU28cXpeSmBkqyy9F0g9TCpW9HMsLT5QCxz9QN7GJO1cuc9VTv1o2MwYTAOBgNVHQ8BAf8EBAMCAQYwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUmAgufh5ic/dVX81tBaeOtsCxWyEwHwYDVR0RBBgwFoYUc3BpZmZlOi8vZXhhbXBsZS5vcmcwCgYIKoZIzj0EAwIDSQAwRgIhAP7JaoeGhpKODe5q49IAEv3CFiKnNf0OV0m0fKQd3luNAiEAlA+YBuvGQ2F1TKy4NqdiulSi3r2SoEaA+vdc4TcHAgk=',
  'base64',
)
const publicKey = Buffer.from(
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8BIYX1FBj4UPKjE/1Ma8ve9IFAE0oh57ZoAKQwH1VDSgkAkGSMDFckQppWIDJ+a9bTtL8t8hlPu645KNBzNPHw==',
  'base64',
)
const relationship = FederationRelationship.fromPartial({
  trustDomain: 'other.org',
  bundleEndpointUrl: 'https://other.org/bundle',
  bundleEndpointProfile: {
    $case: 'httpsSpiffe',
    httpsSpiffe: { endpointSpiffeId: 'spiffe://other.org/endpoint' },
  },
})
const ok = { code: 0, message: 'OK' }
const skid = 'b38c0000000000000000000000000000000000ff'
const authority = (authorityId: string, upstreamAuthoritySubjectKeyId = ''): AuthorityState => ({
  authorityId,
  expiresAt: 1_795_485_027n,
  upstreamAuthoritySubjectKeyId,
})

/** What a daemon answers, by method. */
export type Answers = Readonly<Record<string, Answer>>

interface Failure {
  readonly code: number
  readonly details: string
}
/** For a stream: its first and only message. */
type Answer = (request: never) => unknown

function refuse(code: number, details: string): never {
  const failure: Failure = { code, details }
  throw failure
}

/** Answers that never change, whatever was asked before. */
const well: Answers = {
  check: () => HealthCheckResponse.fromPartial({ status: 1 }),
  createJoinToken: ({ ttl }: { ttl: number }) =>
    ttl > 0
      ? JoinToken.fromPartial({ value: 'the-token', expiresAt: 1_795_399_271n })
      : refuse(status.INVALID_ARGUMENT, 'ttl is required, you must provide one'),
  listAgents: ({ pageToken }: { pageToken: string }) =>
    pageToken === ''
      ? ListAgentsResponse.fromPartial({ agents: [agent], nextPageToken: 'next' })
      : ListAgentsResponse.fromPartial({ agents: [banned] }),
  countAgents: () => CountAgentsResponse.fromPartial({ count: 1 }),
  getAgent: ({ id: asked }: { id: { path: string } }) =>
    asked.path === agent.id?.path ? agent : refuse(status.NOT_FOUND, 'agent not found'),
  banAgent: () => ({}),
  deleteAgent: () => ({}),
  countEntries: () => ({ count: 2 }),
  listEntries: () => ListEntriesResponse.fromPartial({ entries: [entry, plainEntry] }),
  getEntry: ({ id: asked }: { id: string }) =>
    asked === 'e1' ? entry : refuse(status.NOT_FOUND, 'entry not found'),
  batchCreateEntry: ({ entries }: { entries: Entry[] }) =>
    BatchCreateEntryResponse.fromPartial({
      results: entries.map((asked) =>
        asked.spiffeId?.path === '/web'
          ? { status: { code: 6, message: 'similar entry already exists' } }
          : { status: ok, entry: { ...asked, id: 'made', createdAt: 1n } },
      ),
    }),
  batchUpdateEntry: ({ entries }: { entries: Entry[] }) => ({
    results: entries.map((asked) => ({ status: ok, entry: { ...asked, revisionNumber: 4n } })),
  }),
  batchDeleteEntry: ({ ids }: { ids: string[] }) =>
    BatchDeleteEntryResponse.fromPartial({
      results: ids.map((asked) => ({
        id: asked,
        status: asked === 'e1' ? ok : { code: 5, message: 'entry not found' },
      })),
    }),
  getBundle: () =>
    Bundle.fromPartial({
      trustDomain: 'example.org',
      sequenceNumber: 7n,
      refreshHint: 60n,
      x509Authorities: [{ asn1: certificate }],
      jwtAuthorities: [
        { keyId: 'F0YduufBkQ5NGMvjHNUORUKxCda2aNq3', publicKey, expiresAt: 1_795_629_910n },
      ],
    }),
  countBundles: () => ({ count: 1 }),
  refreshBundle: () => ({}),
  listFederationRelationships: () =>
    ListFederationRelationshipsResponse.fromPartial({ federationRelationships: [relationship] }),
  getLogger: () => Logger.fromPartial({ currentLevel: 4, launchLevel: 6 }),
  setLogLevel: ({ newLevel }: { newLevel: number }) => ({ currentLevel: newLevel, launchLevel: 6 }),
  resetLogLevel: () => ({ currentLevel: 6, launchLevel: 6 }),
  getX509AuthorityState: () =>
    GetX509AuthorityStateResponse.fromPartial({
      active: authority(skid),
      old: authority('af7f', 'c0de'),
    }),
  prepareX509Authority: () => ({ preparedAuthority: authority(skid, 'c0de') }),
  activateX509Authority: ({ authorityId }: AuthorityState) =>
    authorityId === skid
      ? { activatedAuthority: authority(skid) }
      : refuse(status.INVALID_ARGUMENT, 'unexpected authority ID'),
  taintX509Authority: ({ authorityId }: AuthorityState) =>
    authorityId === 'af7f'
      ? { taintedAuthority: authority('af7f') }
      : refuse(
          status.INVALID_ARGUMENT,
          'only Old local authorities can be tainted: unsupported local authority status: PREPARED',
        ),
  revokeX509Authority: ({ authorityId }: AuthorityState) =>
    authorityId === 'af7f'
      ? { revokedAuthority: { ...authority('af7f'), expiresAt: 0n } }
      : refuse(
          status.INTERNAL,
          'failed to revoke X.509 authority: it is not possible to revoke an untainted root CA',
        ),
  taintX509UpstreamAuthority: ({ subjectKeyId }: { subjectKeyId: string }) =>
    subjectKeyId === 'AF7F'
      ? { upstreamAuthoritySubjectKeyId: 'af7f' }
      : refuse(status.FAILED_PRECONDITION, 'upstream authority is not configured'),
  revokeX509UpstreamAuthority: ({ subjectKeyId }: { subjectKeyId: string }) =>
    subjectKeyId === 'AF7F'
      ? { upstreamAuthoritySubjectKeyId: 'af7f' }
      : refuse(status.FAILED_PRECONDITION, 'upstream authority is not configured'),
  getJwtAuthorityState: () =>
    GetJWTAuthorityStateResponse.fromPartial({
      active: authority('F0YduufB'),
      prepared: authority('NGMvjHNU'),
    }),
  prepareJwtAuthority: () => refuse(status.UNIMPLEMENTED, 'JWT functionality is disabled'),
  activateJwtAuthority: () => ({ activatedAuthority: authority('NGMvjHNU') }),
  taintJwtAuthority: () => ({ taintedAuthority: { ...authority('F0YduufB'), expiresAt: 0n } }),
  revokeJwtAuthority: ({ authorityId }: AuthorityState) =>
    authorityId === 'F0YduufB'
      ? { revokedAuthority: { ...authority('F0YduufB'), expiresAt: 0n } }
      : refuse(
          status.INTERNAL,
          'failed to revoke JWT authority: no JWT Key found with provided key ID',
        ),
  getInfo: () =>
    GetInfoResponse.fromPartial({
      uptime: 214,
      agentsCount: 1,
      entriesCount: 11,
      federatedBundlesCount: 1,
      svidChain: [
        { id: id('/spire/server'), expiresAt: 1_795_402_227n, subject: 'O=SPIRE,C=US' },
        { subject: 'C=US', expiresAt: 0n },
      ],
    }),
}

/** Answers of daemons with which something is wrong. */
const unwell: Answers = {
  check: () => HealthCheckResponse.fromPartial({ status: 2 }),
  listAgents: () => ListAgentsResponse.fromPartial({ agents: [agent, banned] }),
  deleteAgent: () => refuse(status.INTERNAL, 'failed to remove agent'),
  getX509AuthorityState: () => GetX509AuthorityStateResponse.fromPartial({}),
  getJwtAuthorityState: () => GetJWTAuthorityStateResponse.fromPartial({}),
  fetchX509Svid: () => {
    const { x509Svid, x509SvidKey } = svidOf('/wl')
    const spiffeId = 'spiffe://example.org/wl'
    return X509SVIDResponse.fromPartial({
      svids: [{ spiffeId, x509Svid, x509SvidKey, bundle: certificate }],
    })
  },
}

function svidOf(path: string): { readonly x509Svid: Buffer; readonly x509SvidKey: Buffer } {
  const { chain, privateKey } = TestCa.create('example.org').issueX509Svid(path)
  return {
    x509Svid: Buffer.concat(chain.map(({ raw }) => raw)),
    x509SvidKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  }
}

const services: readonly ServiceDefinition[] = [
  HealthService,
  SpiffeWorkloadAPIService,
  TrustDomainService,
  AgentService,
  EntryService,
  BundleService,
  LocalAuthorityService,
  LoggerService,
  DebugService,
]

/** A socket behind which nothing stands but fixed answers of a server, or of an agent. */
export async function startFakeDaemon(
  socket: string,
  mood: 'well' | 'unwell' = 'well',
): Promise<{ stop(): void }> {
  const answers = mood === 'well' ? well : unwell
  const server = new Server()
  for (const service of services) {
    for (const [name, method] of Object.entries(service)) {
      if (method.requestStream) continue
      const handler = method.responseStream
        ? streamHandlerOf(answers, name)
        : handlerOf(answers, name)
      const { path, responseSerialize, requestDeserialize } = method
      const kind = method.responseStream ? 'serverStream' : 'unary'
      server.register(path, handler, responseSerialize, requestDeserialize, kind)
    }
  }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    )
  })
  return { stop: () => server.forceShutdown() }
}

function answerOf(answers: Answers, name: string, request: unknown): unknown {
  const answer = answers[name]
  return answer ? answer(request as never) : refuse(status.UNIMPLEMENTED, `no answer for ${name}`)
}

function handlerOf(answers: Answers, name: string): handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    try {
      callback(null, answerOf(answers, name, call.request))
    } catch (failure) {
      callback(failure as Failure)
    }
  }
}

function streamHandlerOf(
  answers: Answers,
  name: string,
): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    try {
      call.write(answerOf(answers, name, call.request))
      call.end()
    } catch (failure) {
      call.destroy(failure as Failure as never)
    }
  }
}
