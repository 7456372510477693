/** Keys about the log, in the `server` and the `agent` block. */
export const logSchema = {
  log_file: { type: 'string', doc: 'default standard output' },
  log_level: { type: 'string', doc: 'panic, fatal, error, warn, info (default), debug or trace' },
  log_format: { type: 'string', doc: 'text or json; default text with whole seconds' },
  log_source_location: { type: 'bool', doc: 'adds file and function to log lines' },
} as const

/** Keys about profiles, in the `server` and the `agent` block. */
export const profilingSchema = {
  profiling_enabled: { type: 'bool', doc: 'takes profiles of this process; default false' },
  profiling_port: {
    type: 'int',
    doc: 'port of localhost for `go tool pprof http://localhost:<port>/debug/pprof/profile`, or `/heap`',
  },
  profiling_freq: {
    type: 'int',
    doc: 'seconds from one writing of profiles to the next, to `.profiles` below the working directory',
  },
  profiling_names: {
    type: 'strings',
    doc: "which are written: `cpu`, `heap`; SPIRE's others are of Go's runtime, and a warning",
  },
} as const

/** Keys of the `telemetry` block, the same in both daemons. */
export const telemetrySchema = {
  Prometheus: {
    type: 'section',
    optional: true,
    doc: 'serves metrics to Prometheus, on any path',
    fields: {
      host: { type: 'string', doc: 'address to listen on; default localhost' },
      port: { type: 'int', doc: 'port to listen on' },
      tls: {
        type: 'section',
        optional: true,
        doc: 'serves over TLS',
        fields: {
          cert_file: { type: 'string', doc: 'certificate chain, PEM' },
          key_file: { type: 'string', doc: 'private key, PEM' },
          client_ca_file: { type: 'string', doc: 'asks clients for certificates of these CAs' },
          use_spire_svid: { type: 'bool', doc: "serves with the daemon's own X509-SVID" },
          authorized_spiffe_ids: { type: 'strings', doc: 'clients that may connect' },
        },
      },
    },
  },
  DogStatsd: {
    type: 'sections',
    doc: 'DogStatsD sinks',
    fields: { address: { type: 'string', doc: 'host:port' } },
  },
  Statsd: {
    type: 'sections',
    doc: 'StatsD sinks',
    fields: { address: { type: 'string', doc: 'host:port' } },
  },
  M3: {
    type: 'sections',
    doc: 'M3 sinks',
    fields: {
      address: { type: 'string', doc: 'host:port' },
      env: { type: 'string', doc: 'M3 environment' },
    },
  },
  InMem: { type: 'section', optional: true, doc: 'keeps metrics for SIGUSR1', fields: {} },
  MetricPrefix: { type: 'string', doc: 'first part of metric names' },
  EnableTrustDomainLabel: { type: 'bool', optional: true, doc: 'default false' },
  EnableHostnameLabel: { type: 'bool', optional: true, doc: 'default true' },
  AllowedPrefixes: { type: 'strings', doc: 'metrics to emit; empty: all' },
  BlockedPrefixes: { type: 'strings', doc: 'metrics to drop' },
  AllowedLabels: { type: 'strings', doc: 'labels to emit; empty: all' },
  BlockedLabels: { type: 'strings', doc: 'labels to drop' },
} as const

/** Keys of the `health_checks` block, the same in both daemons. */
export const healthChecksSchema = {
  listener_enabled: { type: 'bool', doc: 'serves live and ready over HTTP' },
  bind_address: { type: 'string', doc: 'default localhost' },
  bind_port: { type: 'string', doc: 'default 80' },
  ready_path: { type: 'string', doc: 'default /ready' },
  live_path: { type: 'string', doc: 'default /live' },
} as const
