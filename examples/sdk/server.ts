import { createServer } from 'node:http'
import { authorizeMemberOf, SvidTlsServer } from '@mini-spire/sdk/tls'
import { X509Source } from '@mini-spire/sdk/workload-api'

const source = await X509Source.create()
const web = createServer((request, response) => {
  response.end(`hello ${server.findPeer(request.socket)?.spiffeId}\n`)
})
const server = new SvidTlsServer({
  svids: source,
  bundles: source,
  authorize: authorizeMemberOf(source.getX509Svid().spiffeId.trustDomain),
  onConnection: (socket) => web.emit('connection', socket),
})
await server.listen({ port: 8443 })
