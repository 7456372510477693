/** Services that SPIRE shortened by hand. */
const shortened: ReadonlyMap<string, string> = new Map([
  ['SpiffeWorkloadAPI', 'WorkloadAPI'],
  ['envoy.service.secret.v3.SecretDiscoveryService', 'SDS.v3'],
  ['grpc.health.v1.Health', 'Health'],
  ['spire.agent.debug.v1.Debug', 'Debug'],
  ['spire.api.agent.delegatedidentity.v1.DelegatedIdentity', 'DelegatedIdentity'],
  ['spire.api.agent.logger.v1.Logger', 'Logger'],
  ['spire.api.server.logger.v1.Logger', 'Logger'],
])

/** The fields by which SPIRE's log lines name a call: `AttestAgent` of `agent.v1.Agent`. */
export function callNames(path: string): { readonly method: string; readonly service: string } {
  const [, full = '', method = ''] = path.split('/')
  const service = shortened.get(full) ?? full.replace(/^spire\.api\.server\./, '')
  return { method, service }
}
