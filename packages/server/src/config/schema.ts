import { logSchema, profilingSchema } from '@mini-spire/runtime/config/daemon-schema'
import { tokenExchangeSchema } from './token-exchange-schema.ts'

const own = {
  admin_ids: { type: 'strings', doc: 'SPIFFE IDs that may administer this server over mTLS' },
  agent_ttl: { type: 'string', doc: 'lifetime of agent SVIDs; default that of X509-SVIDs' },
  audit_log_enabled: { type: 'bool', doc: 'logs who asked for what' },
  bind_address: {
    type: 'string',
    doc: 'address to listen on; default 0.0.0.0, which is every address, of IPv6 too',
  },
  bind_port: { type: 'int', doc: 'port to listen on; default 8081' },
  ca_key_type: { type: 'string', doc: 'rsa-2048, rsa-4096, ec-p256 (default) or ec-p384' },
  ca_subject: {
    type: 'section',
    optional: true,
    doc: 'subject of CA certificates; default C=US, O=SPIFFE',
    fields: {
      country: { type: 'strings', doc: 'country codes' },
      organization: { type: 'strings', doc: 'organizations' },
      common_name: { type: 'string', doc: 'common name' },
    },
  },
  ca_ttl: { type: 'string', doc: 'lifetime of CA certificates and JWT keys; default 24h' },
  data_dir: { type: 'string', doc: 'folder for data; required' },
  default_x509_svid_ttl: { type: 'string', doc: 'lifetime of X509-SVIDs; default 1h' },
  default_jwt_svid_ttl: { type: 'string', doc: 'lifetime of JWT-SVIDs; default 5m' },
  experimental: {
    type: 'section',
    doc: 'may change without notice',
    fields: {
      agent_spiffe_id_as_selector: { type: 'bool', doc: 'adds the agent ID to its selectors' },
      auth_opa_policy_engine: {
        type: 'section',
        optional: true,
        doc: 'authorization policy',
        fields: {
          local: {
            type: 'section',
            optional: true,
            doc: 'files of the policy',
            fields: {
              rego_path: {
                type: 'string',
                doc: 'Rego compiled with `opa build -t wasm -e spire/result`',
              },
              policy_data_path: { type: 'string', doc: 'JSON that the policy reads as `data`' },
            },
          },
        },
      },
      cache_reload_interval: {
        type: 'string',
        doc: 'checked, without effect: a change is in the cache before it is acknowledged',
      },
      full_cache_reload_interval: { type: 'string', doc: 'the same' },
      events_based_cache: { type: 'bool', doc: 'the same; the cache follows every change' },
      prune_events_older_than: { type: 'string', doc: 'the same; there is no table of events' },
      event_timeout: { type: 'string', doc: 'the same; no event can be missing' },
      sql_transaction_timeout: { type: 'string', doc: 'old name of event_timeout' },
      require_pq_kem: { type: 'bool', doc: 'TLS with post-quantum key exchange only' },
      wit_key_type: { type: 'string', doc: 'key type of WIT-SVIDs' },
      wit_issuer: { type: 'string', doc: 'issuer of WIT-SVIDs' },
      feature_flags: { type: 'strings', doc: 'developer switches' },
      named_pipe_name: { type: 'string', doc: 'Windows only' },
    },
  },
  federation: {
    type: 'section',
    optional: true,
    doc: 'exchange of bundles with other trust domains',
    fields: {
      bundle_endpoint: {
        type: 'section',
        optional: true,
        doc: 'serves the own bundle',
        fields: {
          address: { type: 'string', doc: 'literal IP address to listen on' },
          port: { type: 'int', doc: 'port to listen on' },
          refresh_hint: { type: 'string', doc: 'how often others should look; default 5m' },
          acme: {
            type: 'section',
            optional: true,
            doc: 'old place of the https_web profile',
            fields: {
              directory_url: { type: 'string' },
              domain_name: { type: 'string' },
              email: { type: 'string' },
              tos_accepted: { type: 'bool' },
            },
          },
          profile: { type: 'node', doc: 'https_spiffe or https_web' },
        },
      },
      federates_with: {
        type: 'section-map',
        doc: 'where the bundles of other trust domains are',
        fields: {
          bundle_endpoint_url: { type: 'string', doc: 'https URL' },
          bundle_endpoint_profile: { type: 'node', doc: 'https_spiffe or https_web' },
        },
      },
      redirects_may_lead_to: {
        type: 'strings',
        doc: 'networks (CIDR) of ours that a bundle endpoint may redirect to; default none; mini-spire only',
      },
    },
  },
  oidc_discovery: {
    type: 'section',
    optional: true,
    doc: 'serves the OpenID Connect discovery document of jwt_issuer and the keys of JWT-SVIDs; mini-spire only',
    fields: {
      address: { type: 'string', doc: 'literal IP address to listen on; default all' },
      port: { type: 'int', doc: 'port to listen on; default 443' },
      domains: { type: 'strings', doc: "names that clients may ask for beside jwt_issuer's" },
      set_key_use: { type: 'bool', doc: 'adds "use": "sig" to each key' },
      listen_socket_path: {
        type: 'string',
        doc: 'Unix socket for plain HTTP from a proxy that has the certificate',
      },
      acme: {
        type: 'section',
        optional: true,
        doc: 'certificates from an ACME authority, one for each name',
        fields: {
          directory_url: { type: 'string', doc: "default Let's Encrypt's" },
          email: { type: 'string', doc: 'whom the authority may write to' },
          tos_accepted: { type: 'bool', doc: "must be true: accepts the authority's terms" },
        },
      },
      serving_cert_file: {
        type: 'section',
        optional: true,
        doc: 'a certificate in files',
        fields: {
          cert_file_path: { type: 'string', doc: 'certificate chain, PEM' },
          key_file_path: { type: 'string', doc: 'private key, PEM' },
          file_sync_interval: { type: 'string', doc: 'how often they are read again; default 1h' },
        },
      },
    },
  },
  disable_jwt_svids: { type: 'bool', doc: 'issues no JWT-SVIDs' },
  jwt_issuer: { type: 'string', doc: 'iss claim of JWT-SVIDs; default none' },
  jwt_key_type: { type: 'string', doc: 'default ca_key_type' },
  prune_attested_nodes_expired_for: { type: 'string', doc: 'forgets nodes this long after expiry' },
  prune_attested_nodes_batch_size: { type: 'int', doc: 'how many at a time; default 1000' },
  prune_tofu_nodes: { type: 'bool', doc: 'also those that cannot attest again' },
  proxy_protocol_trusted_cidrs: {
    type: 'strings',
    doc: 'proxies that may tell the client address by the PROXY protocol, version 1 or 2',
  },
  ratelimit: {
    type: 'section',
    doc: 'limits for unauthenticated and agent calls',
    fields: {
      attestation: { type: 'bool', optional: true, doc: 'default true' },
      signing: { type: 'bool', optional: true, doc: 'default true' },
    },
  },
  socket_path: { type: 'string', doc: 'API socket; default /tmp/spire-server/private/api.sock' },
  trust_domain: { type: 'string', doc: 'name of the trust domain; required' },
  max_attested_node_info_staleness: {
    type: 'string',
    optional: true,
    doc: 'checked, without effect: what is known of a node is never stale',
  },
} as const

/** Keys of the `server` block: the one list of them, those that both daemons have included. */
export const serverSchema: typeof own &
  typeof logSchema &
  typeof profilingSchema & { readonly token_exchange: typeof tokenExchangeSchema } = {
  ...own,
  token_exchange: tokenExchangeSchema,
  ...logSchema,
  ...profilingSchema,
}

/** Keys of `bundle_endpoint.profile`. */
export const endpointProfileSchema = {
  https_spiffe: { type: 'section', optional: true, fields: {} },
  https_web: {
    type: 'section',
    optional: true,
    fields: {
      acme: {
        type: 'section',
        optional: true,
        fields: {
          directory_url: { type: 'string' },
          domain_name: { type: 'string' },
          email: { type: 'string' },
          tos_accepted: { type: 'bool' },
        },
      },
      serving_cert_file: {
        type: 'section',
        optional: true,
        fields: {
          cert_file_path: { type: 'string' },
          key_file_path: { type: 'string' },
          file_sync_interval: { type: 'string' },
        },
      },
    },
  },
} as const

/** Keys of `federates_with.*.bundle_endpoint_profile`. */
export const relationshipProfileSchema = {
  https_spiffe: {
    type: 'section',
    optional: true,
    fields: { endpoint_spiffe_id: { type: 'string' } },
  },
  https_web: { type: 'section', optional: true, fields: {} },
} as const
