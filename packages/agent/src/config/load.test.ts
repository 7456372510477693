import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterAll, describe, expect, it } from 'vitest'
import type { AgentFlags } from './agent-file.ts'
import { loadAgentConfig } from './load.ts'

const folder = mkdtempSync(join(tmpdir(), 'mini-spire-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const noFlags: AgentFlags = {
  dataDir: '',
  joinToken: '',
  joinTokenFile: '',
  logFile: '',
  logFormat: '',
  logLevel: '',
  logSourceLocation: false,
  serverAddress: '',
  serverPort: 0,
  socketPath: '',
  trustBundle: '',
  trustBundleUrl: '',
  trustBundleFormat: '',
  trustDomain: '',
  insecureBootstrap: false,
  allowUnauthenticatedVerifiers: false,
  disableWorkloadAPI: false,
  disableSDSAPI: false,
  rebootstrapMode: '',
  rebootstrapDelay: '',
}
const base = 'trust_domain = "example.org" server_address = "s" server_port = 8081'
const plugins =
  'plugins { NodeAttestor "join_token" {} KeyManager "memory" {} WorkloadAttestor "unix" {} }'

function load(text: string, flags: Partial<AgentFlags> = {}) {
  const path = join(folder, 'agent.conf')
  writeFileSync(path, text)
  const log: RootLogger = {
    ...silentLogger,
    level: 'info',
    launchLevel: 'info',
    setLevel: () => {},
    reopen: () => {},
  }
  return loadAgentConfig({ path, flags: { ...noFlags, ...flags }, openLog: () => log }).config
}

const withKeys = (keys: string, flags?: Partial<AgentFlags>) =>
  load(`agent { ${base} ${keys} } ${plugins}`, flags)

const brokerId = 'id = "spiffe://o.p/b"'
const brokerKeys = (broker: string, socket = '/x/y.sock'): string =>
  `insecure_bootstrap = true experimental { broker { socket_path = "${socket}" bind_address = "[::1]:80" brokers = [{ ${broker} }] } }`

describe('an agent configuration is refused', () => {
  it.each([
    ['', 'plugins section must be configured'],
    [plugins, 'server_address must be configured'],
    [`agent { server_address = "s" } ${plugins}`, 'server_port must be configured'],
    [
      `agent { server_address = "s" server_port = 1 } ${plugins}`,
      'trust_domain must be configured',
    ],
  ])('%s', (text, message) => {
    expect(() => load(text)).toThrow(message)
  })

  it.each([
    [
      '',
      'trust_bundle_path, trust_bundle_url, or trust_bundle_spiffe_workload_api must be configured unless insecure_bootstrap is set',
    ],
    [
      'trust_bundle_path = "x" insecure_bootstrap = true',
      'only one of insecure_bootstrap or trust_bundle_path can be specified, not both',
    ],
    [
      'trust_bundle_url = "https://x" trust_bundle_path = "x"',
      'only one of trust_bundle_url or trust_bundle_path can be specified, not both',
    ],
    ['trust_bundle_url = "http://x"', 'trust bundle URL must start with https://'],
    [
      'trust_bundle_url = "https://x" trust_bundle_unix_socket = "y"',
      'trust bundle URL must start with http:// when used with trust bundle unix socket',
    ],
    [
      'trust_bundle_url = "http://x?spiffe-a=1" trust_bundle_unix_socket = "y"',
      'trust_bundle_url query params can not start with spiffe-',
    ],
    [
      'trust_bundle_unix_socket = "y" insecure_bootstrap = true',
      'if trust_bundle_unix_socket is specified, so must be trust_bundle_url',
    ],
    [
      'trust_bundle_path = "x" trust_bundle_format = "PEM"',
      'invalid value for trust_bundle_format, expected "pem" or "spiffe"',
    ],
    [
      'trust_bundle_spiffe_workload_api = "x"',
      'workload endpoint socket URI must have a "tcp" or "unix" scheme',
    ],
    [
      'trust_bundle_spiffe_workload_api = "tcp://x:1"',
      'workload endpoint tcp socket URI host component must be an IP:port',
    ],
    [
      'insecure_bootstrap = true rebootstrap_mode = "foo"',
      'unknown rebootstrap mode specified: foo',
    ],
    [
      'insecure_bootstrap = true rebootstrap_mode = "auto"',
      'insecure_bootstrap option can not be used with rebootstrapping',
    ],
    [
      'insecure_bootstrap = true experimental { jwt_svid_cache_hit_timeout = "1s" }',
      'jwt_svid_cache_hit_timeout (1s) must be greater than 5s',
    ],
    [
      'insecure_bootstrap = true x509_svid_cache_max_size = -1',
      'x509_svid_cache_max_size should not be negative',
    ],
    [
      'insecure_bootstrap = true admin_socket_path = "/tmp/spire-agent/public/deep/x"',
      'admin socket cannot be in the same directory or a subdirectory as that containing the Workload API socket',
    ],
    [
      'insecure_bootstrap = true join_token = "x" join_token_file = "y"',
      'only one of join_token or join_token_file can be specified, not both',
    ],
    [
      'insecure_bootstrap = true join_token_file = "/nope"',
      'unable to read join token file "/nope": open /nope: no such file or directory',
    ],
    [
      'insecure_bootstrap = true workload_x509_svid_key_type = "rsa-4096"',
      'key type "rsa-4096" is unknown; must be one of [rsa-2048, ec-p256, ec-p384]',
    ],
    [
      'insecure_bootstrap = true authorized_delegates = ["spiffe://c.d/x"]',
      'error validating authorized delegate: SPIFFE ID "spiffe://c.d/x" is not a member of trust domain "example.org"',
    ],
    [
      'insecure_bootstrap = true availability_target = "1h"',
      'availability_target must be at least 24h0m0s',
    ],
    [
      'insecure_bootstrap = true experimental { ratelimit { fetch_x509_svid = -1 } }',
      'experimental.ratelimit.fetch_x509_svid must not be negative',
    ],
    [
      'insecure_bootstrap = true experimental { broker {} }',
      'experimental.broker requires socket_path, bind_address, or both',
    ],
    [
      'insecure_bootstrap = true experimental { broker { socket_path = "/x/y" } }',
      'at least one broker is required',
    ],
    [brokerKeys('id = ""'), 'experimental.broker.brokers[0].id: must be specified'],
    [brokerKeys('id = "a.b"'), 'experimental.broker.brokers[a.b].id: scheme is missing or invalid'],
    [
      brokerKeys(`${brokerId} }, { ${brokerId}`),
      'experimental.broker.brokers[spiffe://o.p/b].id: duplicate broker id',
    ],
    [
      brokerKeys(brokerId),
      'experimental.broker.brokers[spiffe://o.p/b].allowed_reference_types: must list at least one reference type URL',
    ],
    [
      brokerKeys(`${brokerId}, allowed_reference_types = [{ type_url = "" }]`),
      'experimental.broker.brokers[spiffe://o.p/b].allowed_reference_types[0].type_url: must be specified',
    ],
    [
      brokerKeys(`${brokerId}, allowed_reference_types = [{ type_url = "*" }, { type_url = "x" }]`),
      'experimental.broker.brokers[spiffe://o.p/b].allowed_reference_types: wildcard "*" must be the only allowed reference type',
    ],
    [
      brokerKeys(brokerId, '/tmp/spire-agent/public/below/x.sock'),
      'broker socket cannot be in the same directory or a subdirectory as that containing the Workload API socket',
    ],
    ['insecure_bootstrap = true enable_sds = true', 'unknown configuration detected'],
  ])('%s', (keys, message) => {
    expect(() => withKeys(keys)).toThrow(message)
  })
})

describe('an agent configuration is accepted', () => {
  it('with brokers of any trust domain', () => {
    const types = 'allowed_reference_types = [{ type_url = "*", allow_over_tcp = true }]'
    const config = withKeys(brokerKeys(`${brokerId}, ${types}`))
    expect(config.experimental.broker).toMatchObject({
      socketPath: '/x/y.sock',
      bindAddress: { host: '::1', port: 80 },
      brokers: [{ allowedReferenceTypes: [{ typeUrl: '*', allowOverTcp: true }] }],
    })
    expect(String(config.experimental.broker?.brokers[0]?.id)).toBe('spiffe://o.p/b')
  })

  it('with defaults for what is not given', () => {
    expect(withKeys('insecure_bootstrap = true')).toMatchObject({
      dataDir: '.',
      socketPath: '/tmp/spire-agent/public/api.sock',
      adminSocketPath: undefined,
      bootstrap: { kind: 'insecure' },
      rebootstrapMode: 'never',
      rebootstrapDelayMs: 600_000,
      workloadX509SvidKeyType: 'ec-p256',
      x509SvidCacheMaxSize: 1000,
      jwtSvidCacheMaxSize: 1000,
      sds: {
        defaultSvidName: 'default',
        defaultBundleName: 'ROOTCA',
        defaultAllBundlesName: 'ALL',
      },
      experimental: { syncIntervalMs: undefined, usesSyncAuthorizedEntries: true },
    })
  })

  it('with each bootstrap source', () => {
    expect(withKeys('trust_bundle_path = "x"').bootstrap).toEqual({
      kind: 'file',
      path: 'x',
      format: 'pem',
    })
    expect(
      withKeys('trust_bundle_url = "https://x" trust_bundle_format = "spiffe"').bootstrap,
    ).toEqual({
      kind: 'url',
      url: 'https://x',
      format: 'spiffe',
      unixSocket: undefined,
    })
    const address = 'unix:///run/api.sock'
    expect(withKeys(`trust_bundle_spiffe_workload_api = "${address}"`).bootstrap).toEqual({
      kind: 'workload-api',
      address,
    })
  })

  it('with a join token from the flag, the file, or a file of its own', () => {
    const path = join(folder, 'token')
    writeFileSync(path, ' the-token \n')
    expect(withKeys(`trust_bundle_path = "x" join_token_file = "${path}"`).joinToken).toBe(
      'the-token',
    )
    expect(withKeys('trust_bundle_path = "x" join_token = "a"', { joinToken: 'b' }).joinToken).toBe(
      'b',
    )
  })

  it('without public socket when both of its APIs are off', () => {
    const config = withKeys(
      'insecure_bootstrap = true disable_workload_api = true disable_sds_api = true',
    )
    expect(config.socketPath).toBeUndefined()
  })
})
