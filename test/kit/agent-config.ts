import { join } from 'node:path'
import type { ResolvedAgentConfig } from '@mini-spire/agent/config/resolved-config'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import type { PluginConfig } from '@mini-spire/runtime/config/plugin-config'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { quietTelemetry } from './quiet-telemetry.ts'

/** The configuration of an agent for tests: everything in one folder, a join token, short intervals. */
export function testAgentConfig(
  folder: string,
  port: number,
  more: Partial<ResolvedAgentConfig> = {},
): ResolvedAgentConfig {
  return {
    trustDomain: TrustDomain.parse('example.org'),
    dataDir: join(folder, 'data'),
    serverAddress: '127.0.0.1',
    serverPort: port,
    socketPath: join(folder, 'public', 'api.sock'),
    adminSocketPath: undefined,
    isWorkloadApiDisabled: false,
    isSdsApiDisabled: false,
    bootstrap: { kind: 'file', path: join(folder, 'bundle.pem'), format: 'pem' },
    rebootstrapMode: 'never',
    rebootstrapDelayMs: 600_000,
    joinToken: 'token',
    allowsUnauthenticatedVerifiers: false,
    allowedForeignJwtClaims: [],
    authorizedDelegates: [],
    availabilityTargetMs: undefined,
    log: { file: undefined, level: 'debug', format: 'plain', hasSourceLocation: false },
    logSelectors: [],
    workloadX509SvidKeyType: 'ec-p256',
    x509SvidCacheMaxSize: 1000,
    jwtSvidCacheMaxSize: 1000,
    sds: {
      defaultSvidName: 'default',
      defaultBundleName: 'ROOTCA',
      defaultAllBundlesName: 'ALL',
      isSpiffeCertValidationDisabled: false,
    },
    profiling: { isEnabled: false, port: 0, frequency: 0, names: [] },
    experimental: {
      syncIntervalMs: 50,
      jwtSvidCacheHitTimeoutMs: undefined,
      usesSyncAuthorizedEntries: true,
      rateLimit: {
        fetchX509Svid: 0,
        fetchJwtSvid: 0,
        fetchX509Bundles: 0,
        fetchJwtBundles: 0,
        streamSecrets: 0,
        fetchSecrets: 0,
      },
      broker: undefined,
      featureFlags: [],
      requiresPqKem: false,
    },
    plugins: [
      plugin('NodeAttestor', 'join_token'),
      plugin('KeyManager', 'disk', `directory = "${join(folder, 'data')}"`),
      plugin('WorkloadAttestor', 'unix'),
    ],
    telemetry: quietTelemetry,
    healthChecks: {
      isListenerEnabled: false,
      bindAddress: 'localhost',
      bindPort: '0',
      livePath: '/live',
      readyPath: '/ready',
    },
    ...more,
  }
}

function plugin(type: string, name: string, data?: string): PluginConfig {
  return {
    type,
    name,
    isEnabled: true,
    command: '',
    args: [],
    checksum: '',
    data: data === undefined ? undefined : parseConfig(data),
    dataFile: undefined,
  }
}
