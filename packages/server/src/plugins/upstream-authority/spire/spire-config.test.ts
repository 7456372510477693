import { parseConfig } from '@mini-spire/runtime/config/parse'
import { hasPqKem } from '@mini-spire/runtime/pq-kem'
import { describe, expect, it } from 'vitest'
import { readSpireConfig } from './spire-config.ts'

const good = 'server_address = "up.test" server_port = 8081 workload_api_socket = "/run/agent.sock"'

describe('upstream authority spire', () => {
  it.each([
    ['', 'server_address is required'],
    ['server_address = "a"', 'server_port is required'],
    ['server_address = "a" server_port = "1"', 'workload_api_socket is required'],
    [good.replace('8081', '"x"'), 'server_port is not a port: "x"'],
    [good.replace('8081', '70000'), 'server_port is not a port: "70000"'],
    [
      `${good} experimental { workload_api_named_pipe_name = "p" }`,
      'configuration: workload_api_named_pipe_name is not supported on this platform; please use workload_api_socket instead',
    ],
  ])('refuses the configuration %j', (data, text) => {
    expect(() => readSpireConfig(parseConfig(data))).toThrow(text)
  })

  it('takes a port as text or number, and makes the socket’s path absolute', () => {
    const expected = {
      address: 'up.test',
      port: 8081,
      workloadApi: 'unix:///run/agent.sock',
      requiresPqKem: false,
    }
    expect(readSpireConfig(parseConfig(good))).toEqual(expected)
    expect(readSpireConfig(parseConfig(good.replace('8081', '"8081"')))).toEqual(expected)
    const relative = readSpireConfig(parseConfig(good.replace('/run/', '')))
    expect(relative.workloadApi).toBe(`unix://${process.cwd()}/agent.sock`)
  })

  it('honours require_pq_kem where TLS can, and says so where it cannot', () => {
    const read = () =>
      readSpireConfig(parseConfig(`${good} experimental { require_pq_kem = true }`))
    if (hasPqKem()) expect(read().requiresPqKem).toBe(true)
    else expect(read).toThrow('experimental.require_pq_kem cannot be honoured: ')
  })
})
