/** Where an Envoy of a test listens, and whom it asks for secrets. */
export interface EnvoySettings {
  /** Socket of the agent. */
  readonly sdsSocket: string
  /** Takes mutual TLS and answers by itself. */
  readonly tlsPort: number
  /** Takes plain HTTP and passes it on over mutual TLS. */
  readonly plainPort: number
  readonly upstreamPort: number
  /** Name of the secret that the upstream is called with. */
  readonly upstreamSvidName: string
}

const http =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const router = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'
const tlsType = (name: string): string =>
  `type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${name}`

/** A configuration file for Envoy: secrets by SDS from the agent, everything else in the file. */
export function envoyConfig(settings: EnvoySettings): string {
  const { sdsSocket, tlsPort, plainPort, upstreamPort, upstreamSvidName } = settings
  return JSON.stringify({
    node: { id: 'test', cluster: 'test' },
    static_resources: {
      listeners: [
        listener(
          'tls',
          tlsPort,
          { direct_response: { status: 200, body: { inline_string: 'hello' } } },
          {
            transport_socket: {
              name: 'envoy.transport_sockets.tls',
              typed_config: {
                '@type': tlsType('DownstreamTlsContext'),
                require_client_certificate: true,
                common_tls_context: tlsContext('default', 'ALL'),
              },
            },
          },
        ),
        listener('plain', plainPort, { route: { cluster: 'upstream' } }),
      ],
      clusters: [
        {
          name: 'agent',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: endpoint('agent', { pipe: { path: sdsSocket } }),
        },
        {
          name: 'upstream',
          type: 'STATIC',
          load_assignment: endpoint('upstream', socketAddress(upstreamPort)),
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': tlsType('UpstreamTlsContext'),
              common_tls_context: tlsContext(upstreamSvidName, 'ROOTCA'),
            },
          },
        },
      ],
    },
  })
}

function listener(name: string, port: number, action: object, more: object = {}): object {
  const manager = {
    '@type': http,
    stat_prefix: name,
    route_config: {
      virtual_hosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, ...action }] }],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': router } }],
  }
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }]
  return { name, address: socketAddress(port), filter_chains: [{ filters, ...more }] }
}

function tlsContext(svidName: string, bundleName: string): object {
  return {
    tls_certificate_sds_secret_configs: [secret(svidName)],
    validation_context_sds_secret_config: secret(bundleName),
  }
}

function secret(name: string): object {
  const api_config_source = {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'agent' } }],
  }
  return { name, sds_config: { resource_api_version: 'V3', api_config_source } }
}

function endpoint(cluster_name: string, address: object): object {
  return { cluster_name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] }
}

function socketAddress(port_value: number): object {
  return { socket_address: { address: '127.0.0.1', port_value } }
}
