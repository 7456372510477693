import { writeFileSync } from 'node:fs'
import { freePort, type Program, type Scene } from './processes.ts'

/** A configuration that is warned of, and the warnings that come of it before the first connection. */
export interface WarnedConfiguration {
  readonly title: string
  readonly who: 'server' | 'agent'
  /** Lines of the `server { }` or `agent { }` block. */
  readonly settings?: string
  /** More blocks beside it; `<port>` stands for a free port. */
  readonly blocks?: string
  readonly trustDomain?: string
  /** In any order, each followed by the fields that alerts read. */
  readonly warnings: readonly string[]
}

const experimental =
  'Experimental features have been enabled. Please see doc/upgrading.md for upgrade and compatibility considerations for experimental features.'
const deprecated = 'alert=true alert_type=deprecated_config'
const prometheus =
  'Agent is now configured to accept remote network connections for Prometheus stats collection. Please ensure access to this port is tightly controlled'
const longName =
  'Configured trust domain name should be less than 255 characters to be SPIFFE compliant; a longer trust domain name may impact interoperability'
const wit = 'Developer feature flag "wit-svid" has been enabled'
const longTrustDomain = `${'a'.repeat(200)}.${'b'.repeat(60)}`
const openToAll = 'telemetry { Prometheus { host = "0.0.0.0" port = <port> } }'

function shortened(key: string, what: string, advice: string): string {
  return `${key} is ${what}. SVIDs with shorter lifetimes may be issued. Please set ${key} to ${advice} to guarantee the full ${key} lifetime when CA rotations are scheduled.`
}

/** What start-up warns of: facts that a test finds in the logs of our programs and of SPIRE's. */
export const warnedConfigurations: readonly WarnedConfiguration[] = [
  {
    title: 'lifetimes of SVIDs that the CA outlives by too little',
    who: 'server',
    settings:
      'default_x509_svid_ttl = "10h" default_jwt_svid_ttl = "11h" agent_ttl = "12h" ca_ttl = "24h"',
    warnings: [
      ['default_x509_svid_ttl', '60h'],
      ['default_jwt_svid_ttl', '66h'],
      ['agent_ttl', '72h'],
    ].map(([key = '', caTtl]) =>
      shortened(
        key,
        'too high for the configured ca_ttl value',
        `4h or less, or the ca_ttl to ${caTtl} or more,`,
      ),
    ),
  },
  {
    title: 'lifetimes of SVIDs beyond a week with a CA that is too short as well',
    who: 'server',
    settings:
      'default_x509_svid_ttl = "200h" default_jwt_svid_ttl = "168h" agent_ttl = "300h" ca_ttl = "24h"',
    warnings: ['default_x509_svid_ttl', 'default_jwt_svid_ttl', 'agent_ttl'].map((key) =>
      shortened(
        key,
        'too high and the ca_ttl is too low',
        '168h or less, and the ca_ttl to 1008h or more,',
      ),
    ),
  },
  {
    title: 'lifetimes of SVIDs beyond a week with a CA that lives long',
    who: 'server',
    settings:
      'default_x509_svid_ttl = "200h" default_jwt_svid_ttl = "169h" agent_ttl = "300h" ca_ttl = "3000h"',
    warnings: ['default_x509_svid_ttl', 'default_jwt_svid_ttl', 'agent_ttl'].map((key) =>
      shortened(key, 'too high', '168h or less'),
    ),
  },
  {
    title: 'lifetimes that fit',
    who: 'server',
    settings:
      'default_x509_svid_ttl = "4h" default_jwt_svid_ttl = "4h" agent_ttl = "4h" ca_ttl = "24h"',
    warnings: [],
  },
  {
    title: 'an empty subject of the CA',
    who: 'server',
    settings: 'ca_subject {}',
    warnings: ['ca_subject configurable is set but empty; the default will be used'],
  },
  {
    title: 'a bundle endpoint without a profile that is refreshed rarely',
    who: 'server',
    settings:
      'federation { bundle_endpoint { address = "127.0.0.1" port = <port> refresh_hint = "100h" } }',
    warnings: [
      `Bundle endpoint is configured but has no profile set, using https_spiffe as default; please configure a profile explicitly. This will be fatal in a future release. ${deprecated}`,
      "Bundle endpoint refresh hint set to a high value. To cover the case of unscheduled trust bundle updates, it's recommended to have a smaller value, e.g. 5m",
    ],
  },
  {
    title: 'a bundle endpoint that is refreshed too often',
    who: 'server',
    settings: `federation { bundle_endpoint { address = "127.0.0.1" port = <port> refresh_hint = "10s"
      profile "https_spiffe" {} } }`,
    warnings: [
      'Bundle endpoint refresh hint set too low. SPIRE will not refresh more often than 1 minute',
    ],
  },
  {
    title: 'experiments, a feature flag and a key that has another name',
    who: 'server',
    settings: 'experimental { sql_transaction_timeout = "1h" feature_flags = ["wit-svid"] }',
    warnings: [
      experimental,
      wit,
      `experimental.sql_transaction_timeout is deprecated, use experimental.event_timeout instead ${deprecated}`,
    ],
  },
  {
    title: 'metrics for the network',
    who: 'server',
    blocks: openToAll,
    warnings: [prometheus],
  },
  {
    title: 'a trust domain of a long name',
    who: 'server',
    trustDomain: longTrustDomain,
    warnings: [longName],
  },
  {
    title: 'names of Envoy secrets that are the same',
    who: 'agent',
    settings: 'sds { default_bundle_name = "x" default_all_bundles_name = "x" }',
    warnings: [
      'The "default_bundle_name" and "default_all_bundles_name" configurables have the same value. "default_all_bundles_name" will be ignored. Please configure distinct values or use the defaults. This will be a configuration error in a future release.',
    ],
  },
  {
    title: 'an experiment with the cache of JWT-SVIDs',
    who: 'agent',
    settings: 'experimental { jwt_svid_cache_hit_timeout = "10s" }',
    warnings: [experimental, "The use of 'jwt_svid_cache_hit_timeout' is experimental"],
  },
  {
    title: 'the older way to synchronise',
    who: 'agent',
    settings: 'experimental { use_sync_authorized_entries = false }',
    warnings: [
      experimental,
      `The 'use_sync_authorized_entries' configuration is deprecated. The option to disable it will be removed in SPIRE 1.13. ${deprecated}`,
    ],
  },
  {
    title: 'a feature flag',
    who: 'agent',
    settings: 'experimental { feature_flags = ["wit-svid"] }',
    warnings: [experimental, wit],
  },
  {
    title: 'metrics for the network',
    who: 'agent',
    blocks: openToAll,
    warnings: [prometheus],
  },
  {
    title: 'a trust domain of a long name',
    who: 'agent',
    trustDomain: longTrustDomain,
    warnings: [longName],
  },
]

/** Starts a program with such a configuration until it serves or looks for its server, and returns what it warned of, sorted. */
export async function warningsOf(
  scene: Scene,
  program: Program,
  configuration: WarnedConfiguration,
): Promise<readonly string[]> {
  const { who, trustDomain = 'example.org', settings = '', blocks = '' } = configuration
  const [port, other] = [await freePort(), await freePort()]
  const common = `trust_domain = "${trustDomain}" data_dir = "${scene.makeFolder('data')}"
    socket_path = "${scene.path('s.sock')}" log_level = "DEBUG"`
  const texts = {
    server: `server { ${common} bind_address = "127.0.0.1" bind_port = ${port} ${settings} }
      plugins { DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${scene.path('db')}" } }
        KeyManager "memory" {} NodeAttestor "join_token" {} }`,
    agent: `agent { ${common} server_address = "127.0.0.1" server_port = ${port} join_token = "x"
        insecure_bootstrap = true ${settings} }
      plugins { KeyManager "memory" {} NodeAttestor "join_token" {} WorkloadAttestor "unix" {} }`,
  }
  const path = scene.path('run.conf')
  writeFileSync(path, `${texts[who]}\n${blocks}`.replaceAll('<port>', `${other}`))
  const daemon = scene.start(program, ['run', '-config', path])
  await daemon.waitFor(who === 'server' ? 'Starting Server APIs' : 'Starting node attestation')
  await daemon.stop()
  return daemon.output
    .split('\n')
    .flatMap((line) => warningOf(line) ?? [])
    .filter((warning) => !expected.test(warning))
    .sort()
}

/** What comes of the machine, of nobody at the other end or of an early stop, and not of the configuration. */
const expected =
  /^(Current umask |Failed to retrieve attestation result|Health check (has )?failed)/

function warningOf(line: string): string | undefined {
  const found = /level=warning msg=("(?:[^"\\]|\\.)*"|\S+)(.*)/.exec(line)
  if (!found) return undefined
  const [, said = '', fields = ''] = found
  const message: string = said.startsWith('"') ? JSON.parse(said) : said
  return [message, ...(fields.match(/\balert\w*=\S+/g) ?? [])].join(' ')
}
