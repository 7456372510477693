import type { TLSSocket } from 'node:tls'
import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { authorizeId, connectTls, SvidTlsServer } from '@mini-spire/sdk/tls'
import { JwtSource, X509Source } from '@mini-spire/sdk/workload-api'
import { type Program, runProgram } from '../kit/processes.ts'
import { jsonLines } from '../kit/served-workload.ts'
import type { FederatedDomain } from './federated-domains.ts'

interface Line {
  readonly address?: string
  readonly id?: string
  readonly text?: string
  readonly token?: string
}

/** What each side of a conversation learnt of the other. */
export interface Met {
  /** The peer's ID, as our SDK saw it and as go-spiffe saw it. */
  readonly bySdk: string
  readonly byGo: string | undefined
  readonly heardByGo: string | undefined
}

/** A workload of one domain with our SDK serves one of another domain with go-spiffe, by mTLS. */
export async function sdkServesGo(
  server: FederatedDomain,
  client: FederatedDomain,
  peer: Program,
): Promise<Met> {
  await using source = await X509Source.create({ address: server.agent.address })
  let bySdk = ''
  await using listener = new SvidTlsServer({
    svids: source,
    bundles: source,
    authorize: authorizeId(SpiffeId.parse(client.workloadId)),
    onConnection: (socket, { spiffeId }) => {
      bySdk = String(spiffeId)
      greet(socket)
    },
  })
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 })
  const scene = client.server.scene
  const args = ['-addr', client.agent.address, '-peer', server.workloadId]
  const go = scene.start(peer, ['mtls', ...args, '-dial', `127.0.0.1:${port}`])
  if ((await go.ended) !== 0) throw new Error(go.output)
  const [line] = jsonLines<Line>(go.output)
  return { bySdk, byGo: line?.id, heardByGo: line?.text }
}

/** A workload of one domain with go-spiffe serves one of another domain with our SDK, by mTLS. */
export async function goServesSdk(
  server: FederatedDomain,
  client: FederatedDomain,
  peer: Program,
): Promise<Met> {
  await using source = await X509Source.create({ address: client.agent.address })
  const args = ['mtls', '-addr', server.agent.address, '-peer', client.workloadId]
  const go = server.server.scene.start(peer, args)
  await go.waitFor('address')
  const address = jsonLines<Line>(go.output)[0]?.address ?? ''
  const { socket, peer: met } = await connectTls({
    host: '127.0.0.1',
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
    svids: source,
    bundles: source,
    authorize: authorizeId(SpiffeId.parse(server.workloadId)),
  })
  greet(socket)
  if ((await go.ended) !== 0) throw new Error(go.output)
  const line = jsonLines<Line>(go.output)[1]
  return { bySdk: String(met.spiffeId), byGo: line?.id, heardByGo: line?.text }
}

/** Each side validates a JWT-SVID of the other's with the bundles that its own agent gave it; returns whose they were. */
export async function exchangeTokens(
  sdk: FederatedDomain,
  go: FederatedDomain,
  peer: Program,
): Promise<readonly [byGo: string | undefined, bySdk: string]> {
  await using source = await JwtSource.create({ address: sdk.agent.address })
  const { token } = await source.fetchJwtSvid({ audience: [go.name] })
  const args = ['workload', '-addr', go.agent.address, '-audience', go.name]
  const [verified] = lines(peer, [...args, '-op', 'verify', '-token', token])
  const theirs = ['workload', '-addr', go.agent.address, '-audience', sdk.name, '-op', 'jwt']
  const [fetched] = lines(peer, theirs)
  const options = { bundles: source, audience: sdk.name, now: new Date() }
  return [verified?.id, String(verifyJwtSvid(fetched?.token ?? '', options).spiffeId)]
}

function lines(peer: Program, args: readonly string[]): readonly Line[] {
  const done = runProgram(peer, args)
  if (done.status !== 0) throw new Error(done.stderr)
  return jsonLines<Line>(done.stdout)
}

/** Says hello and no more. */
function greet(socket: TLSSocket): void {
  socket.end('hello from the SDK\n')
  socket.resume()
}
