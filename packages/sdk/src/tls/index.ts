export {
  type Authorizer,
  authorizeAny,
  authorizeId,
  authorizeMemberOf,
  authorizeOneOf,
} from './authorizer.ts'
export {
  type ConnectTlsOptions,
  connectTls,
  secureTls,
  type TlsConnection,
  type TlsHandshakeOptions,
} from './connect.ts'
export { SvidHttpsAgent, type SvidHttpsAgentOptions } from './https-agent.ts'
export { checkPeer, type PeerCheck, readPeerChain, type TlsPeer } from './peer.ts'
export { SvidTlsServer, type SvidTlsServerOptions, type Updatable } from './server.ts'
export { TlsError, type TlsErrorCode } from './tls-error.ts'
