/** Keys of SPIRE's `oidc-discovery-provider.conf`: they stand in no block. */
export const providerSchema = {
  log_format: { type: 'string', doc: 'text or json; default text with whole seconds' },
  log_level: { type: 'string', doc: 'panic, fatal, error, warn, info (default), debug or trace' },
  log_path: { type: 'string', doc: 'default standard output' },
  log_requests: { type: 'bool', doc: 'logs each request, at level debug' },
  domains: { type: 'strings', doc: 'names that clients may ask for; at least one' },
  set_key_use: { type: 'bool', doc: 'adds "use": "sig" to each key' },
  allow_insecure_scheme: {
    type: 'bool',
    doc: 'http in the URLs of the document, where the request came without TLS',
  },
  insecure_addr: { type: 'string', doc: 'host:port for plain HTTP' },
  listen_socket_path: { type: 'string', doc: 'Unix socket for plain HTTP from a proxy' },
  acme: {
    type: 'section',
    optional: true,
    doc: 'certificates from an ACME authority, one for each domain',
    fields: {
      directory_url: { type: 'string', doc: "default Let's Encrypt's" },
      email: { type: 'string', doc: 'whom the authority may write to; required' },
      tos_accepted: { type: 'bool', doc: "must be true: accepts the authority's terms" },
      cache_dir: {
        type: 'string',
        optional: true,
        doc: 'folder for certificates and keys; default ./.acme-cache, empty: not kept',
      },
      addr: { type: 'string', doc: 'host:port to listen on; default :443; mini-spire only' },
    },
  },
  serving_cert_file: {
    type: 'section',
    optional: true,
    doc: 'a certificate in files',
    fields: {
      cert_file_path: { type: 'string', doc: 'certificate chain, PEM; required' },
      key_file_path: { type: 'string', doc: 'private key, PEM; required' },
      addr: { type: 'string', doc: 'host:port to listen on; default :443' },
      file_sync_interval: { type: 'string', doc: 'how often the files are read again; default 1m' },
    },
  },
  server_api: {
    type: 'section',
    optional: true,
    doc: 'keys from a server',
    fields: {
      address: { type: 'string', doc: "the server's socket, unix:///path; required" },
      poll_interval: { type: 'string', doc: 'default 10s' },
      experimental: { type: 'node', doc: 'Windows only' },
    },
  },
  workload_api: {
    type: 'section',
    optional: true,
    doc: 'keys from an agent',
    fields: {
      socket_path: { type: 'string', doc: "the agent's socket; required" },
      trust_domain: { type: 'string', doc: 'whose keys; required' },
      poll_interval: { type: 'string', doc: 'default 10s' },
      experimental: { type: 'node', doc: 'Windows only' },
    },
  },
  file: {
    type: 'section',
    optional: true,
    doc: 'keys from a file',
    fields: {
      path: { type: 'string', doc: 'a SPIFFE bundle, JSON' },
      poll_interval: { type: 'string', doc: 'default 10s' },
    },
  },
  health_checks: {
    type: 'section',
    optional: true,
    doc: 'answers probes over plain HTTP, on every interface',
    fields: {
      bind_port: { type: 'int', doc: 'default 8008' },
      live_path: { type: 'string', doc: 'default /live' },
      ready_path: { type: 'string', doc: 'default /ready' },
    },
  },
  experimental: { type: 'node', doc: 'Windows only' },
  jwt_issuer: {
    type: 'string',
    doc: 'the issuer of the document; default from the host asked for',
  },
  jwks_uri: { type: 'string', doc: 'where the document says that the keys are' },
  server_path_prefix: { type: 'string', doc: 'path before those of both documents; default /' },
} as const
