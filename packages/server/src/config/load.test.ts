import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { hasPqKem } from '@mini-spire/runtime/pq-kem'
import { afterAll, describe, expect, it } from 'vitest'
import { loadServerConfig } from './load.ts'
import type { ServerFlags } from './server-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'mini-spire-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const noFlags: ServerFlags = {
  bindAddress: '',
  serverPort: 0,
  dataDir: '',
  logFile: '',
  logFormat: '',
  logLevel: '',
  logSourceLocation: false,
  socketPath: '',
  trustDomain: '',
}
const base = 'trust_domain = "example.org" data_dir = "/var/lib/x"'
const plugins = 'plugins { DataStore "level" {} KeyManager "memory" {} }'

interface Loading {
  readonly flags?: Partial<ServerFlags>
  readonly environment?: Record<string, string>
  readonly isStrict?: boolean
}

/** Loads a whole file; what was logged comes along. */
async function load(text: string, options: Loading = {}) {
  const path = join(folder, 'server.conf')
  writeFileSync(path, text)
  const lines: string[] = []
  const log: RootLogger = {
    ...silentLogger,
    error: (message, fields) => lines.push(`${message} ${JSON.stringify(fields ?? {})}`),
    warn: (message) => lines.push(message),
    level: 'info',
    launchLevel: 'info',
    setLevel: () => {},
    reopen: () => {},
  }
  const { flags, ...rest } = options
  const loaded = loadServerConfig({
    path,
    flags: { ...noFlags, ...flags },
    openLog: () => log,
    ...rest,
  })
  return { lines, config: loaded.then(({ config }) => config) }
}

/** Loads a file with these keys in its `server` block. */
const withKeys = (keys: string, options?: Loading) =>
  load(`server { ${base} ${keys} } ${plugins}`, options)

describe('a server configuration is refused', () => {
  it.each([
    ['', 'trust_domain must be configured'],
    [plugins, 'trust_domain must be configured'],
    ['server { trust_domain = "a.b" }', 'data_dir must be configured'],
    [`server { ${base} }`, 'plugins section must be configured'],
    [`server "x" { ${base} } ${plugins}`, 'trust_domain must be configured'],
    [
      'server {',
      /^unable to decode configuration at ".*": At 1:10: object expected closing RBRACE got: EOF$/,
    ],
    [
      `server { ${base} log_file = true } ${plugins}`,
      /: At 1:74: root\.server\.log_file: unknown type for string \*ast\.LiteralType$/,
    ],
    [
      `server { ${base} } plugins { KeyManager "a" {} KeyManager "a" {} }`,
      'plugin "KeyManager"/"a" declared more than once',
    ],
  ])('%s', async (text, message) => {
    await expect((await load(text)).config).rejects.toThrow(message)
  })

  it.each([
    [
      'bind_port = 99999',
      'could not resolve bind address "0.0.0.0:99999": address 99999: invalid port',
    ],
    ...['0', '1', '127.1', '0x7f.1', '127.0.0.01', '2130706433'].map((address) => [
      `bind_address = "${address}"`,
      `could not resolve bind address "${address}:8081": lookup ${address}: no such host`,
    ]),
    [
      'trust_domain = "Bad_TD"',
      'could not parse trust_domain "Bad_TD": trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores',
    ],
    ['log_level = "nope"', 'could not start logger: not a valid logrus Level: "nope"'],
    ['log_format = "xml"', 'could not start logger: unknown logger format: "xml"'],
    ['ca_ttl = "abc"', 'could not parse default CA ttl "abc": time: invalid duration "abc"'],
    ['agent_ttl = "1d"', 'could not parse agent ttl "1d": time: unknown unit "d" in duration "1d"'],
    [
      'default_x509_svid_ttl = "24"',
      'could not parse default X509 SVID ttl "24": time: missing unit in duration "24"',
    ],
    [
      'ca_key_type = "rsa-1024"',
      'error parsing ca_key_type: key type "rsa-1024" is unknown; must be one of [rsa-2048, rsa-4096, ec-p256, ec-p384]',
    ],
    ['admin_ids = ["x"]', 'could not parse admin ID "x": scheme is missing or invalid'],
    [
      'max_attested_node_info_staleness = "x"',
      'could not parse max attested node staleness "x": time: invalid duration "x"',
    ],
    [
      'prune_attested_nodes_expired_for = "x"',
      'could not parse prune_attested_nodes_expired_for: time: invalid duration "x"',
    ],
    [
      'proxy_protocol_trusted_cidrs = ["x"]',
      'invalid proxy_protocol_trusted_cidrs value "x": invalid CIDR address: x',
    ],
    [
      'experimental { feature_flags = ["x", "a"] }',
      'error loading feature flags: unknown feature flag(s): [a x]',
    ],
    [
      'experimental { event_timeout = "1s" sql_transaction_timeout = "1s" }',
      'both experimental sql_transaction_timeout and event_timeout set, only set event_timeout',
    ],
    [
      'federation { federates_with "x.org" {} }',
      'federation.federates_with["x.org"].bundle_endpoint_url must be configured',
    ],
    [
      'federation { federates_with "x.org" { bundle_endpoint_url = "http://x" } }',
      'federation.federates_with["x.org"].bundle_endpoint_url must use the HTTPS protocol; URL found: "http://x"',
    ],
    [
      'federation { bundle_endpoint { profile "https_web" {} } }',
      "malformed https_web profile configuration: 'acme' or 'serving_cert_file' is required",
    ],
    [
      'federation { federates_with "example.org" { bundle_endpoint_url = "https://x" bundle_endpoint_profile "https_web" {} } }',
      'federation.federates_with["example.org"] is the trust domain of this server itself',
    ],
    [
      'federation { redirects_may_lead_to = ["10.0.0.0/33"] }',
      'federation.redirects_may_lead_to: "10.0.0.0/33" is not a network as address/prefix',
    ],
  ])('%s', async (keys, message) => {
    await expect((await withKeys(keys)).config).rejects.toThrow(message)
  })

  it('where it asks for a key exchange that TLS here cannot do, with the reason', async () => {
    const { config } = await withKeys('experimental { require_pq_kem = true }')
    if (hasPqKem()) {
      expect(await config).toBeDefined()
      return
    }
    await expect(config).rejects.toMatchObject({
      code: 'ERR_CONFIG_UNSUPPORTED',
      message: expect.stringContaining('experimental.require_pq_kem'),
    })
  })

  it.each([
    [
      'database_type = "postgres" connection_string = "x"',
      'database_type "postgres" is not supported by mini-spire yet',
    ],
    [
      'database_type "aws_mysql" { region = "x" } connection_string = "x"',
      'database_type "aws_mysql" is not supported by mini-spire yet',
    ],
    [
      'database_type = "oracle" connection_string = "x"',
      'datastore-sql: unsupported database_type: oracle',
    ],
    ['', 'malformed database type configuration'],
    ['database_type = ["sqlite3"]', 'malformed database type configuration'],
    ['database_type = ""', 'datastore-sql: database_type must be set'],
    ['database_type = "sqlite3"', 'datastore-sql: connection_string must be set'],
    ['database_type "sqlite3" {} connection_string = "x"', 'unknown database type: sqlite3'],
    [
      'database_type "aws_mysql" {} database_type "aws_postgres" {}',
      'exactly one database type is expected',
    ],
  ])('for a database it cannot use: %s', async (data, message) => {
    const store = `plugins { DataStore "sql" { plugin_data { ${data} } } }`
    const { config } = await load(`server { ${base} } ${store}`)
    await expect(config).rejects.toThrow(message)
  })

  it("for unknown keys, all at once, in SPIRE's line, with place and nearest key beside it", async () => {
    const { config, lines } = await withKeys(
      'trustdomain = "x" zzz = 1\n ca_subject { countri = ["SE"] }',
    )
    await expect(config).rejects.toMatchObject({
      code: 'ERR_CONFIG_UNKNOWN_KEY',
      message: 'unknown configuration detected',
      details: [
        'server: unknown key "trustdomain" at 1:63; did you mean "trust_domain"?',
        'server: unknown key "zzz" at 1:81',
        'ca_subject: unknown key "countri" at 2:15; did you mean "country"?',
      ],
    })
    expect(lines.filter((line) => line.startsWith('Unknown'))).toEqual([
      'Unknown configuration detected {"section":"server","keys":"trustdomain,zzz"}',
      'Unknown configuration detected {"section":"ca_subject","keys":"countri"}',
    ])
  })

  it('for a missing file, with the way out', async () => {
    const path = join(folder, 'none.conf')
    const openLog = () => {
      throw new Error('no log yet')
    }
    await expect(loadServerConfig({ path, flags: noFlags, openLog })).rejects.toMatchObject({
      code: 'ERR_CONFIG_UNREADABLE',
      message: `could not find config file ${path}: please use the -config flag`,
    })
  })
})

describe('a server configuration is accepted', () => {
  it('with defaults for what is not given', async () => {
    const config = await (await withKeys('')).config
    expect(config).toMatchObject({
      bindAddress: '0.0.0.0',
      bindPort: 8081,
      socketPath: '/tmp/spire-server/private/api.sock',
      caTtlMs: 86_400_000,
      defaultX509SvidTtlMs: 3_600_000,
      defaultJwtSvidTtlMs: 300_000,
      agentTtlMs: undefined,
      caKeyType: 'ec-p256',
      jwtKeyType: 'ec-p256',
      caSubject: { country: ['US'], organization: ['SPIFFE'], commonName: '' },
      rateLimit: { attestation: true, signing: true },
      log: { level: 'info', format: 'plain', file: undefined },
      nodePruning: undefined,
      healthChecks: { isListenerEnabled: false, bindAddress: 'localhost', bindPort: '80' },
    })
  })

  it('with flags before the file, and zero values before neither', async () => {
    const keys = 'bind_port = 0 ca_ttl = "" log_level = "DEBUG" bind_address = "127.0.0.1"'
    const flags = { serverPort: 9, logLevel: '', bindAddress: '::1', trustDomain: 'flag.org' }
    const config = await (await withKeys(keys, { flags })).config
    expect([config.bindPort, config.caTtlMs, config.log.level]).toEqual([9, 86_400_000, 'debug'])
    expect([config.bindAddress, config.trustDomain.name]).toEqual(['::1', 'flag.org'])
  })

  it('with what false and zero mean on purpose', async () => {
    const config = await (await withKeys('ratelimit { signing = false } jwt_key_type = "RSA-2048"'))
      .config
    expect(config.rateLimit).toEqual({ attestation: true, signing: false })
    expect(config.jwtKeyType).toBe('rsa-2048')
  })

  it('with variables only when asked to', async () => {
    const dollar = '$'
    const text = `server { trust_domain = "${dollar}{TD}" data_dir = "/x" } ${plugins}`
    const config = await (await load(text, { environment: { TD: 'env.org' } })).config
    expect(config.trustDomain.name).toBe('env.org')
    await expect((await load(text)).config).rejects.toThrow('could not parse trust_domain')
  })

  it('with unknown keys where SPIRE does not look, and a warning; not when strict', async () => {
    const { config, lines } = await withKeys('experimental { bogus = 1 }')
    await config
    expect(lines).toContain('Unknown configuration ignored')
    const strict = await withKeys('experimental { bogus = 1 }', { isStrict: true })
    await expect(strict.config).rejects.toThrow('unknown configuration detected')
  })

  it('in JSON as Helm charts write it', async () => {
    const text = JSON.stringify({
      server: {
        trust_domain: 'a.example',
        data_dir: '/d',
        bind_port: '8082',
        ca_subject: [{ country: ['SE'], organization: ['X'] }],
      },
      plugins: {
        DataStore: [{ sql: { plugin_data: { database_type: 'sqlite3', connection_string: 'x' } } }],
        KeyManager: { disk: { plugin_data: { keys_path: '/d/keys.json' } } },
        NodeAttestor: [{ join_token: { plugin_data: {} } }, { x509pop: { plugin_data: {} } }],
      },
      telemetry: [{ Prometheus: [{ host: '0.0.0.0', port: 9988 }] }],
      health_checks: [{ listener_enabled: true, bind_port: 8080 }],
    })
    const config = await (await load(text)).config
    expect(config.bindPort).toBe(8082)
    expect(config.caSubject).toEqual({ country: ['SE'], organization: ['X'], commonName: '' })
    expect(config.plugins.map(({ type, name }) => `${type} ${name}`)).toEqual([
      'DataStore sql',
      'KeyManager disk',
      'NodeAttestor join_token',
      'NodeAttestor x509pop',
    ])
    expect(config.telemetry.prometheus).toMatchObject({ host: '0.0.0.0', port: 9988 })
    expect(config.healthChecks).toMatchObject({ isListenerEnabled: true, bindPort: '8080' })
  })

  it.each([
    [
      'default_x509_svid_ttl = "5h"',
      'default_x509_svid_ttl is too high for the configured ca_ttl value. SVIDs with shorter lifetimes may be issued. Please set default_x509_svid_ttl to 4h or less, or the ca_ttl to 30h or more, to guarantee the full default_x509_svid_ttl lifetime when CA rotations are scheduled.',
    ],
    [
      'agent_ttl = "200h"',
      'agent_ttl is too high and the ca_ttl is too low. SVIDs with shorter lifetimes may be issued. Please set agent_ttl to 168h or less, and the ca_ttl to 1008h or more, to guarantee the full agent_ttl lifetime when CA rotations are scheduled.',
    ],
    [
      'agent_ttl = "200h" ca_ttl = "2000h"',
      'agent_ttl is too high. SVIDs with shorter lifetimes may be issued. Please set agent_ttl to 168h or less to guarantee the full agent_ttl lifetime when CA rotations are scheduled.',
    ],
    ['ca_subject {}', 'ca_subject configurable is set but empty; the default will be used'],
    [
      'experimental { events_based_cache = true }',
      'Experimental features have been enabled. Please see doc/upgrading.md for upgrade and compatibility considerations for experimental features.',
    ],
    [
      'experimental { sql_transaction_timeout = "1s" }',
      'experimental.sql_transaction_timeout is deprecated, use experimental.event_timeout instead',
    ],
    [
      'federation { bundle_endpoint { address = "localhost" profile "https_spiffe" {} } }',
      'Bundle endpoint address is not an IP address; all addresses are listened on',
    ],
  ])('with a warning: %s', async (keys, warning) => {
    const { config, lines } = await withKeys(keys)
    await config
    expect(lines).toContain(warning)
  })
})
