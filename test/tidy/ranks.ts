/**
 * The order in which data flows. A file imports only files of lower rank, or of its own folder; packages come in this
 * order too. The first path that matches decides.
 */
export const packages: readonly string[] = ['sdk', 'runtime', 'server', 'agent']

export const mayImport: Readonly<Record<string, readonly string[]>> = {
  sdk: ['sdk'],
  runtime: ['runtime', 'sdk'],
  server: ['server', 'runtime', 'sdk'],
  agent: ['agent', 'runtime', 'sdk'],
}

/** Rank of each path below a package's `src/`; longest match wins. */
export const ranks: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  sdk: {
    'errors.ts': 0,
    'grpc-status.ts': 0.5,
    'atomic-file.ts': 0,
    'clock.ts': 0,
    'http/': 1,
    'proto/': 0,
    'spiffe-id/': 1,
    'x509/': 1,
    'bundle/': 2,
    'x509-svid/': 3,
    'jwt-svid/': 3,
    'wit-svid/': 3,
    'tls/': 4,
    'workload-api/': 4,
    'federation/': 5,
    'exchange/': 5,
    'aws/': 5.5,
    'token-exchange/': 5.5,
    'testing/': 6,
    'index.ts': 6,
  },
  runtime: {
    'proto/': 0,
    'atomic-file.ts': 0,
    'clock.ts': 0,
    'platform.ts': 0,
    'pq-kem.ts': 0,
    'go-json.ts': 0,
    'go-quote.ts': 0,
    'json-fields.ts': 0,
    'go-url.ts': 0.5,
    'os-error.ts': 0,
    'set-digest.ts': 0,
    'version.ts': 0,
    'attestation/': 1,
    'backoff.ts': 1,
    'loop-turns.ts': 0,
    'turns.ts': 1,
    'config/': 1,
    'log/': 0.5,
    'x509/': 1,
    'lifecycle.ts': 2,
    'peer/': 2,
    'ssh/': 1,
    'tpm/': 1,
    'key-manager/': 2,
    'http/': 2,
    'kubernetes/': 3,
    'health/': 3,
    'telemetry/': 3,
    'grpc/': 4,
    'https/': 4.5,
    'plugin-host/': 4.5,
    'cli/': 5,
  },
  server: {
    'config/': 1,
    'model/': 1,
    'audit/': 2,
    'plugins/': 2,
    'store/': 2,
    'bundle/': 4,
    'registry/': 3,
    'ca/': 5,
    'federation/': 5,
    'registration/': 5,
    'exchange/': 6,
    'issuance/': 6,
    'attestation/': 7,
    'authorization/': 8,
    'import/': 8,
    'api/': 9,
    'bundle-endpoint/': 9,
    'console/': 9,
    'oidc/': 9,
    'push/': 8.5,
    'plugins/catalog.ts': 10,
    'transport/': 10,
    'server.ts': 11,
    'run-server.ts': 11.2,
    'index.ts': 11.5,
    'cli/': 12,
  },
  agent: {
    'config/': 1,
    'model/': 1,
    'plugins/': 2,
    'storage/': 2,
    'cache/': 3,
    'server-api/': 3,
    'node-attestation/': 4,
    'sync/': 5,
    'workload-attestation/': 5,
    'identity/': 6,
    'api/': 7,
    'plugins/catalog.ts': 8,
    'transport/': 8,
    'agent-core.ts': 8.5,
    'agent-endpoints.ts': 8.6,
    'agent.ts': 9,
    'index.ts': 9.5,
    'cli/': 10,
  },
}

/** The rank of a path and the entry that gave it, or undefined when the tree does not know the place. */
export function rankOf(
  name: string,
  inner: string,
): { readonly place: string; readonly rank: number } | undefined {
  const places = Object.entries(ranks[name] ?? {})
    .filter(([place]) => inner === place || (place.endsWith('/') && inner.startsWith(place)))
    .sort(([a], [b]) => b.length - a.length)
  const best = places[0]
  return best && { place: best[0], rank: best[1] }
}
