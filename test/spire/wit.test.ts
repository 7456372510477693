import { createPublicKey, verify } from 'node:crypto'
import { openUnixChannel } from '@mini-spire/runtime/grpc/channel'
import { type ClientOf, createClient, GrpcError } from '@mini-spire/runtime/grpc/client'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { GrpcStatus, grpcStatusName } from '@mini-spire/sdk/grpc-status'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import { messageOfRequest, type WitRequest, witRequests } from '../vectors/wit-svid/wit-requests.ts'
import { isSpireMissing, spire } from './programs.ts'

const flag = 'SPIRE_SERVER_FFLAGS=wit-svid'
const withFlag = ({ command, args }: Program): Program => ({
  command: 'env',
  args: [flag, command, ...args],
})

interface Minted {
  readonly svid: { readonly token: string; readonly expires_at: number; readonly issued_at: number }
  readonly private_key: string
}

interface Authority {
  readonly key_id: string
  readonly public_key: string
}

const decoded = (part: string | undefined) =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString())

/** What a token says, once its signature by one of the bundle's WIT authorities is verified. */
function verified(token: string, authorities: readonly Authority[]) {
  const [head, body, signature = ''] = token.split('.')
  const header = decoded(head)
  const authority = authorities.find(({ key_id }) => key_id === header.kid)
  const der = Buffer.from(authority?.public_key ?? '', 'base64')
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  const isGood = verify(
    'sha256',
    Buffer.from(`${head}.${body}`),
    { key, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  )
  if (!isGood) throw new Error('not signed by an authority of the bundle')
  return { header, claims: decoded(body) }
}

const pairs = spire
  ? ([
      ["SPIRE's command line asks our server", ours.server, spire.server],
      ["our command line asks SPIRE's server", spire.server, ours.server],
      ["SPIRE's asks SPIRE's", spire.server, spire.server],
    ] as const)
  : []

describe.skipIf(isSpireMissing())('a WIT-SVID', () => {
  it.each(pairs)('is minted and holds: %s', async (_, program, cli) => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program,
      cli: withFlag(cli),
      settings: 'experimental { feature_flags = ["wit-svid"] }',
    })
    const mint = ['wit', 'mint', '-spiffeID', 'spiffe://example.org/w', '-ttl', '10m']
    const minted: Minted = JSON.parse(server.must(...mint, '-output', 'json'))
    const bundle = JSON.parse(server.must('bundle', 'show', '-output', 'json'))
    const { header, claims } = verified(minted.svid.token, bundle.wit_authorities)
    expect(header).toEqual({ alg: 'ES256', kid: expect.any(String), typ: 'wit+jwt' })
    const { d, ...published } = JSON.parse(minted.private_key)
    expect(d).toEqual(expect.any(String))
    expect(Object.keys(claims).sort()).toEqual(['cnf', 'exp', 'iat', 'sub'])
    expect(claims.sub).toBe('spiffe://example.org/w')
    expect(claims.cnf.jwk).toMatchObject({
      kty: 'EC',
      crv: 'P-256',
      x: published.x,
      y: published.y,
    })
    expect(claims.exp - claims.iat).toBe(600)
    expect([claims.exp, claims.iat]).toEqual([minted.svid.expires_at, minted.svid.issued_at])
  })

  it.each(pairs)('is refused without the feature: %s', async (_, program, cli) => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, { program, cli: withFlag(cli) })
    const refused = server.cli('wit', 'mint', '-spiffeID', 'spiffe://example.org/w')
    expect([refused.status, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toContain('code = Unimplemented desc = WIT functionality is disabled')
  })
})

describe.skipIf(isSpireMissing())('requests for WIT-SVIDs', () => {
  it('are answered by SPIRE as the corpus says, which is how ours answers them', async () => {
    if (!spire) return
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      program: spire.server,
      settings: 'ca_ttl = "48h" experimental { feature_flags = ["wit-svid"] }',
    })
    using channel = openUnixChannel(server.socket)
    const client = createClient(SVIDService, channel)
    const answers: unknown[] = []
    for (const request of witRequests) answers.push(await answerTo(client, request))
    expect(answers).toEqual(witRequests.map(expectedOf))
  })
})

/** What was answered, as far as the corpus says what is to be answered. */
async function answerTo(
  client: ClientOf<typeof SVIDService>,
  request: WitRequest,
): Promise<string> {
  try {
    const { svid } = await client.mintWitsvid(messageOfRequest(request))
    const minutes = Math.round(Number((svid?.expiresAt ?? 0n) - (svid?.issuedAt ?? 0n)) / 60)
    return `${request.title}: ${request.minutes === undefined ? 'accepts' : minutes}`
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    const { statusCode, statusMessage } = error
    if (statusCode !== GrpcStatus.InvalidArgument)
      return `${request.title}: ${grpcStatusName(statusCode)}`
    return `${request.title}: ${statusMessage.slice(0, (request.spire ?? request.refusal ?? '').length)}`
  }
}

function expectedOf({ title, refusal, minutes, spire: differing }: WitRequest): string {
  return `${title}: ${differing ?? refusal ?? minutes ?? 'accepts'}`
}
