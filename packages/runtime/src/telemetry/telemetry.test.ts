import { describe, expect, it } from 'vitest'
import { refineMetrics, sanitizeLabel } from './labels.ts'
import { type Metrics, measureCall, timeCall } from './metrics.ts'
import { rateLimitMetricKey, rpcMetricKey, snakeCase } from './rpc-key.ts'

function recorder(): { readonly seen: unknown[][]; readonly metrics: Metrics } {
  const seen: unknown[][] = []
  const note =
    (kind: string) =>
    (key: readonly string[], value = 1, labels = {}): void =>
      void seen.push([kind, key.join('.'), value, labels])
  return { seen, metrics: { count: note('count'), gauge: note('gauge'), sample: note('sample') } }
}

describe('keys of calls', () => {
  it.each([
    ['/spire.api.server.agent.v1.Agent/AttestAgent', 'rpc.agent.v1.agent.attest_agent'],
    ['/spire.api.server.svid.v1.SVID/BatchNewX509SVID', 'rpc.svid.v1.svid.batch_new_x509svid'],
    ['/spire.api.server.svid.v1.SVID/NewJWTSVID', 'rpc.svid.v1.svid.new_jwtsvid'],
    [
      '/spire.api.server.localauthority.v1.LocalAuthority/GetJWTAuthorityState',
      'rpc.localauthority.v1.local_authority.get_jwt_authority_state',
    ],
    ['/spire.api.server.debug.v1.Debug/GetInfo', 'rpc.debug.v1.debug.get_info'],
    ['/grpc.health.v1.Health/Check', 'rpc.health.check'],
    ['/spire.api.server.logger.v1.Logger/GetLogger', 'rpc.logger.get_logger'],
    ['/SpiffeWorkloadAPI/FetchX509SVID', 'rpc.workload_api.fetch_x509svid'],
    ['/SpiffeWorkloadAPI/FetchJWTBundles', 'rpc.workload_api.fetch_jwt_bundles'],
    [
      '/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/FetchJWTSVIDs',
      'rpc.delegated_identity.fetch_jwtsvi_ds',
    ],
    [
      '/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509SVIDs',
      'rpc.delegated_identity.subscribe_to_x509_svids',
    ],
  ])('%s counts as %s', (path, key) => {
    expect(rpcMetricKey(path).join('.')).toBe(key)
    expect(rateLimitMetricKey(path).join('.')).toBe(key.replace('rpc.', 'rateLimit.'))
  })

  it.each([
    ['one,two,three,Four', 'one_two_three_four'],
    ['ABCDef', 'abc_def'],
    ['AbcDEF', 'abc_def'],
    ['OneTWOThree', 'one_two_three'],
    ['ONETwoTHREE', 'one_two_three'],
  ])('%s is split into %s', (word, expected) => {
    expect(snakeCase(word)).toBe(expected)
  })
})

describe('labels and filters', () => {
  it.each([
    ['example.org', 'example_org'],
    ['1.15.3', '1_15_3'],
    ['spiffe://a/b', 'spiffe_a_b'],
  ])('%s becomes %s', (value, expected) => {
    expect(sanitizeLabel(value)).toBe(expected)
  })

  it('the longest prefix decides, and blocked labels vanish', () => {
    const { seen, metrics } = recorder()
    const refined = refineMetrics(metrics, {
      prefix: 'spire_server',
      labels: { trust_domain: 'a.b' },
      host: 'h-1.x',
      filters: {
        allowedPrefixes: ['spire_server.rpc.svid'],
        blockedPrefixes: ['spire_server.rpc'],
        allowedLabels: [],
        blockedLabels: ['status'],
      },
    })
    refined.count(['rpc', 'agent'])
    refined.count(['rpc', 'svid'], 1, { status: 'OK', a: 'b' })
    refined.gauge(['started'], 1)
    expect(seen).toEqual([
      ['count', 'rpc.svid', 1, { a: 'b', trust_domain: 'a_b', host: 'h-1.x' }],
      ['gauge', 'started', 1, { trust_domain: 'a_b', host: 'h-1.x' }],
    ])
  })
})

describe('filters of a sink whose names have kinds', () => {
  it('see the kind after the prefix, and tell durations from other distributions', () => {
    const { seen, metrics } = recorder()
    const refined = refineMetrics(metrics, {
      prefix: 's',
      labels: {},
      host: undefined,
      namesHaveKinds: true,
      filters: {
        allowedPrefixes: ['s.counter.a.b'],
        blockedPrefixes: ['s.timer', 's.counter.a', ''],
        allowedLabels: [],
        blockedLabels: [],
      },
    })
    refined.sample(['x', 'elapsed_time'], 1)
    refined.count(['a'])
    refined.gauge(['b'], 1)
    refined.count(['a', 'b'])
    expect(seen).toEqual([['count', 'a.b', 1, {}]])
  })
})

describe('calls', () => {
  it('are counted and timed with the status as label', async () => {
    const { seen, metrics } = recorder()
    measureCall(metrics, { key: ['a'], durationMs: 5, code: 5 })
    await expect(
      timeCall(metrics, { nowMs: () => 1 }, ['b'], () => Promise.reject(new Error('x'))),
    ).rejects.toThrow('x')
    expect(seen).toEqual([
      ['count', 'a', 1, { status: 'NotFound' }],
      ['sample', 'a.elapsed_time', 5, { status: 'NotFound' }],
      ['count', 'b', 1, { status: 'Unknown' }],
      ['sample', 'b.elapsed_time', 0, { status: 'Unknown' }],
    ])
  })
})
