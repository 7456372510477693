import { describe, expect, it } from 'vitest'
import { brokerTarget, defaultBrokerAddress } from './index.ts'

const refused = (message: string): unknown =>
  expect.objectContaining({ code: 'ERR_ENDPOINT_ADDRESS', message })
const scheme = 'broker endpoint socket URI must have a "tcp" or "unix" scheme'
const unix = 'broker endpoint unix socket URI must be an absolute path and nothing else'
const tcp = 'broker endpoint tcp socket URI must be a host, a port and nothing else'

describe('the address of a broker endpoint [Broker Endpoint 4]', () => {
  it('is that of SPIFFE_BROKER_SOCKET when nobody gives one', () => {
    expect(defaultBrokerAddress({ SPIFFE_BROKER_SOCKET: 'unix:///a' })).toBe('unix:///a')
    for (const environment of [{}, { SPIFFE_BROKER_SOCKET: '' }]) {
      expect(() => defaultBrokerAddress(environment)).toThrow(
        refused('broker endpoint socket address is not configured'),
      )
    }
  })

  it.each([
    ['unix:///run/broker.sock', 'unix:///run/broker.sock'],
    ['unix:/run/broker.sock', 'unix:///run/broker.sock'],
    ['unix:///a%20b', 'unix:///a b'],
    ['UNIX:///a', 'unix:///a'],
    ['tcp://127.0.0.1:8000', 'ipv4:127.0.0.1:8000'],
    ['tcp://[::1]:8000', 'ipv6:[::1]:8000'],
    ['tcp://broker.example.com:8443', 'dns:broker.example.com:8443'],
  ])('%s leads to %s', (address, target) => {
    expect(brokerTarget(address)).toBe(target)
  })

  it.each([
    ['', scheme],
    ['/run/broker.sock', scheme],
    ['http://127.0.0.1:80', scheme],
    ['unix://', unix],
    ['unix:run/broker.sock', unix],
    ['unix://host/run', unix],
    ['unix:///a?b', unix],
    ['unix:///a#b', unix],
    ['unix:///a%zz', 'broker endpoint unix socket URI has an invalid escape'],
    [
      `unix:///${'x'.repeat(107)}`,
      'broker endpoint unix socket URI has a path that no socket can have',
    ],
    ['tcp://127.0.0.1', tcp],
    ['tcp://127.0.0.1:0', tcp],
    ['tcp://127.0.0.1:65536', tcp],
    ['tcp://127.0.0.1:8000/foo', tcp],
    ['tcp://127.0.0.1:8000?a', tcp],
    ['tcp://user@127.0.0.1:8000', tcp],
    ['tcp://:8000', tcp],
    ['tcp://[127.0.0.1]:8000', tcp],
    ['tcp://-a:8000', tcp],
    ['tcp://a..b:8000', tcp],
    ['tcp:127.0.0.1:8000', tcp],
  ])('is not %s', (address, message) => {
    expect(() => brokerTarget(address)).toThrow(refused(message))
  })
})
