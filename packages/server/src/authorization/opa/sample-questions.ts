import type { PolicyQuestion } from '../policy-engine.ts'

const entries = [
  {
    id: 'entry1',
    spiffeId: { trustDomain: 'example.org', path: '/workload' },
    parentId: { trustDomain: 'example.org', path: '/host' },
    selectors: [{ type: 'unix', value: 'uid:1000' }],
  },
]

/** Questions that a policy has to be able to answer, whatever it answers: one of each shape that servers are asked. */
export const sampleQuestions: readonly PolicyQuestion[] = ['', 'spiffe://example.org/someid']
  .map((caller) => ({ caller, isLocal: caller === '', callerPath: () => '' }))
  .flatMap((who) => [
    { ...who, method: '/spire.api.server.bundle.v1.Bundle/GetBundle', request: {} },
    { ...who, method: '/grpc.health.v1.Health/Check', request: {} },
    {
      ...who,
      method: '/spire.api.server.agent.v1.Agent/CreateJoinToken',
      request: { ttl: 60, token: '' },
    },
    { ...who, method: '/spire.api.server.agent.v1.Agent/AttestAgent', request: undefined },
    {
      ...who,
      method: '/spire.api.server.entry.v1.Entry/BatchCreateEntry',
      request: { entries },
    },
    {
      ...who,
      method: '/spire.api.server.entry.v1.Entry/ListEntries',
      request: { filter: {} },
    },
  ])
