import { logSchema, profilingSchema } from '@mini-spire/runtime/config/daemon-schema'

const own = {
  data_dir: { type: 'string', doc: 'folder for data; default the working directory' },
  admin_socket_path: { type: 'string', doc: 'socket of the admin APIs; default none' },
  insecure_bootstrap: { type: 'bool', doc: 'trusts whatever server answers first' },
  rebootstrap_mode: { type: 'string', doc: 'never (default), auto or always' },
  rebootstrap_delay: { type: 'string', doc: 'how long to wait before; default 10m' },
  join_token: { type: 'string', doc: 'token for the first attestation' },
  join_token_file: { type: 'string', doc: 'file with that token' },
  log_selectors: { type: 'strings', doc: 'selector prefixes that may be logged' },
  sds: {
    type: 'section',
    doc: 'names under which SDS serves',
    fields: {
      default_svid_name: { type: 'string', doc: 'default "default"' },
      default_bundle_name: { type: 'string', doc: 'default ROOTCA' },
      default_all_bundles_name: { type: 'string', doc: 'default ALL' },
      disable_spiffe_cert_validation: { type: 'bool', doc: "leaves Envoy's own validation" },
    },
  },
  server_address: { type: 'string', doc: 'host of the server; required' },
  server_port: { type: 'int', doc: 'port of the server; required' },
  socket_path: {
    type: 'string',
    doc: 'Workload API socket; default /tmp/spire-agent/public/api.sock',
  },
  disable_workload_api: { type: 'bool', doc: 'serves no Workload API' },
  disable_sds_api: { type: 'bool', doc: 'serves no SDS' },
  workload_x509_svid_key_type: { type: 'string', doc: 'rsa-2048, ec-p256 (default) or ec-p384' },
  trust_bundle_format: { type: 'string', doc: 'pem (default) or spiffe' },
  trust_bundle_path: { type: 'string', doc: 'file with the bootstrap bundle' },
  trust_bundle_spiffe_workload_api: { type: 'string', doc: 'Workload API to take it from' },
  trust_bundle_unix_socket: { type: 'string', doc: 'socket to ask for trust_bundle_url' },
  trust_bundle_url: { type: 'string', doc: 'URL of the bootstrap bundle' },
  trust_domain: { type: 'string', doc: 'name of the trust domain; required' },
  allow_unauthenticated_verifiers: { type: 'bool', doc: 'bundles for callers without identity' },
  allowed_foreign_jwt_claims: { type: 'strings', doc: 'claims kept of foreign JWT-SVIDs' },
  availability_target: { type: 'string', doc: 'renews early enough to survive this outage' },
  x509_svid_cache_max_size: { type: 'int', doc: 'default 1000' },
  jwt_svid_cache_max_size: { type: 'int', doc: 'default 1000' },
  authorized_delegates: { type: 'strings', doc: 'SPIFFE IDs that may ask for others' },
  experimental: {
    type: 'section',
    doc: 'may change without notice',
    fields: {
      sync_interval: { type: 'string', doc: 'how often entries are synchronized; default 5s' },
      jwt_svid_cache_hit_timeout: { type: 'string', doc: 'how long a renewal may take' },
      named_pipe_name: { type: 'string', doc: 'Windows only' },
      admin_named_pipe_name: { type: 'string', doc: 'Windows only' },
      use_sync_authorized_entries: { type: 'bool', optional: true, doc: 'default true' },
      require_pq_kem: { type: 'bool', doc: 'TLS with post-quantum key exchange only' },
      ratelimit: {
        type: 'section',
        doc: 'calls per second and caller; 0 is off',
        fields: {
          fetch_x509_svid: { type: 'int', optional: true },
          fetch_jwt_svid: { type: 'int', optional: true },
          fetch_x509_bundles: { type: 'int', optional: true },
          fetch_jwt_bundles: { type: 'int', optional: true },
          stream_secrets: { type: 'int', optional: true },
          fetch_secrets: { type: 'int', optional: true },
        },
      },
      broker: {
        type: 'section',
        optional: true,
        doc: 'serves the SPIFFE Broker API',
        fields: {
          socket_path: { type: 'string', doc: 'its Unix socket' },
          bind_address: { type: 'string', doc: 'its host:port; one of the two is required' },
          brokers: {
            type: 'sections',
            doc: 'who may connect; required',
            fields: {
              id: { type: 'string', doc: 'SPIFFE ID of a broker' },
              allowed_reference_types: {
                type: 'sections',
                doc: 'how it may name workloads; required',
                fields: {
                  type_url: { type: 'string', doc: 'type of a reference, or * for all' },
                  allow_over_tcp: { type: 'bool', doc: 'over bind_address, too; default false' },
                },
              },
            },
          },
        },
      },
      feature_flags: { type: 'strings', doc: 'developer switches' },
    },
  },
} as const

/** Keys of the `agent` block: the one list of them, those that both daemons have included. */
export const agentSchema: typeof own & typeof logSchema & typeof profilingSchema = {
  ...own,
  ...logSchema,
  ...profilingSchema,
}
