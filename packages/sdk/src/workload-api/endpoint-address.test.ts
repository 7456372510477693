import { describe, expect, it } from 'vitest'
import { defaultEndpointAddress, endpointTarget } from './endpoint-address.ts'

const start = 'workload endpoint'
const refused: readonly (readonly [string, string])[] = [
  ['', `${start} socket URI must have a "tcp" or "unix" scheme`],
  ['blah', `${start} socket URI must have a "tcp" or "unix" scheme`],
  ['http://1.2.3.4:5', `${start} socket URI must have a "tcp" or "unix" scheme`],
  ['unix:opaque', `${start} unix socket URI must not be opaque`],
  ['unix://', `${start} unix socket URI must include a path`],
  [`unix:///${'x'.repeat(107)}`, `${start} unix socket URI has a path that no socket can have`],
  [`unix:///${'%C3%A9'.repeat(54)}`, `${start} unix socket URI has a path that no socket can have`],
  ['unix://user@/foo', `${start} unix socket URI must not include user info`],
  ['unix:///foo?a=b', `${start} unix socket URI must not include query values`],
  ['unix:///foo#bar', `${start} unix socket URI must not include a fragment`],
  ['tcp:1', `${start} tcp socket URI must not be opaque`],
  ['tcp://', `${start} tcp socket URI must include a host`],
  ['tcp://1.2.3.4:5/path', `${start} tcp socket URI must not include a path`],
  ['tcp://1.2.3.4:5?q=1', `${start} tcp socket URI must not include query values`],
  ['tcp://1.2.3.4:5#f', `${start} tcp socket URI must not include a fragment`],
  ['tcp://user@1.2.3.4:5', `${start} tcp socket URI must not include user info`],
  ['tcp://localhost:5', `${start} tcp socket URI host component must be an IP:port`],
  ['tcp://1.2.3.4', `${start} tcp socket URI host component must include a port`],
]

describe('endpointTarget', () => {
  it.each(refused)('refuses %j [Workload Endpoint 4]', (address, message) => {
    expect(() => endpointTarget(address)).toThrow(
      expect.objectContaining({ code: 'ERR_ENDPOINT_ADDRESS', message }),
    )
  })

  it.each([
    ['unix:///run/agent/api.sock', 'unix:///run/agent/api.sock'],
    ['unix:/run/agent/api.sock', 'unix:///run/agent/api.sock'],
    [`unix:///${'x'.repeat(106)}`, `unix:///${'x'.repeat(106)}`],
    ['tcp://127.0.0.1:8000', 'ipv4:127.0.0.1:8000'],
    ['tcp://[::1]:8000', 'ipv6:[::1]:8000'],
  ])('dials %s as %s', (address, target) => {
    expect(endpointTarget(address)).toBe(target)
  })
})

describe('defaultEndpointAddress', () => {
  it('is what the variable says, and says when nothing does', () => {
    expect(defaultEndpointAddress({ SPIFFE_ENDPOINT_SOCKET: 'unix:///a' })).toBe('unix:///a')
    expect(() => defaultEndpointAddress({})).toThrow(
      'workload endpoint socket address is not configured',
    )
  })
})
