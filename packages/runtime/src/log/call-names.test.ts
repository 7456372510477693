import { expect, it } from 'vitest'
import { callNames } from './call-names.ts'

it.each([
  ['/spire.api.server.agent.v1.Agent/AttestAgent', 'AttestAgent', 'agent.v1.Agent'],
  ['/spire.api.server.logger.v1.Logger/GetLogger', 'GetLogger', 'Logger'],
  ['/grpc.health.v1.Health/Check', 'Check', 'Health'],
  ['/SpiffeWorkloadAPI/FetchX509SVID', 'FetchX509SVID', 'WorkloadAPI'],
  ['/spire.api.agent.logger.v1.Logger/SetLogLevel', 'SetLogLevel', 'Logger'],
  ['/spire.agent.debug.v1.Debug/GetInfo', 'GetInfo', 'Debug'],
  ['/other.v1.Other/Do', 'Do', 'other.v1.Other'],
  ['/', '', ''],
])('%s is named as in SPIRE’s logs', (path, method, service) => {
  expect(callNames(path)).toEqual({ method, service })
})
