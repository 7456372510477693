import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { makeNodeCertificate, x509PopPlugins } from '../kit/node-certificate.ts'
import { Scene } from '../kit/processes.ts'

/** What a load balancer writes before what its client sends: who that is. */
const headers = {
  'version 1': (address: string) => Buffer.from(`PROXY TCP4 ${address} 127.0.0.1 4711 8081\r\n`),
  'version 2': (address: string) =>
    Buffer.concat([
      Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'),
      Buffer.from([...address.split('.').map(Number), 127, 0, 0, 1, 0x12, 0x67, 0x1f, 0x91]),
    ]),
}

/** A load balancer in front of a port; returns its own. */
async function balancer(scene: Scene, port: number, header: Buffer): Promise<number> {
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port })
    const sockets = [client, upstream]
    const end = (): void => {
      for (const socket of sockets) socket.destroy()
    }
    for (const socket of sockets) socket.on('error', end).on('close', end)
    upstream.write(header)
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scene.defer(async () => void server.close())
  return (server.address() as AddressInfo).port
}

describe.each(Object.entries(headers))('behind a balancer with the PROXY protocol, %s', (_, of) => {
  it('a node is who its address says, in the audit log too, and nobody else', async () => {
    await using scene = new Scene()
    const node = makeNodeCertificate(scene.folder, 'node', '192.0.2.7')
    const server = await ServerDeployment.start(scene, {
      settings: 'proxy_protocol_trusted_cidrs = ["127.0.0.0/8"]\n audit_log_enabled = true',
      plugins: `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "x" } }
    KeyManager "memory" { plugin_data {} }
    NodeAttestor "x509pop" { plugin_data { ca_bundle_path = "${node.ca}" verify_client_ip = true } }`,
    })
    const behind = async (name: string, address: string): Promise<AgentDeployment> =>
      AgentDeployment.prepare(scene, server, {
        name,
        settings: `server_port = ${await balancer(scene, server.port, of(address))}`,
        plugins: x509PopPlugins(node),
      })

    const stranger = await behind('stranger', '192.0.2.8')
    await stranger.begin().waitFor('does not match any certificate IP SAN')
    expect(stranger.daemon.output).toContain(
      'client IP 192.0.2.8 does not match any certificate IP SAN',
    )
    await stranger.daemon.stop()
    expect(server.must('agent', 'count')).toBe('0 attested agents\n')

    const known = await behind('known', '192.0.2.7')
    await known.restart()
    expect(server.must('agent', 'count')).toBe('1 attested agent\n')
    const audited = server.daemon.output
      .split('\n')
      .filter((line) => line.includes('API accessed') && line.includes('method=AttestAgent'))
    expect(
      audited.map((line) => /caller_addr="([^"]+)".* status=(\w+)/.exec(line)?.slice(1)),
    ).toEqual(
      expect.arrayContaining([
        ['192.0.2.8:4711', 'error'],
        ['192.0.2.7:4711', 'success'],
      ]),
    )
  })
})
