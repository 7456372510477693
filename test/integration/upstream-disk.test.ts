import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { TestCa } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { describe, expect, it } from 'vitest'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { ours, Scene } from '../kit/processes.ts'
import { fetchUntilServed, registerUser } from '../spire/programs.ts'

/** Writes the CA's files and returns the plugin block that names them. */
function disk(scene: Scene, ca: TestCa, root: TestCa): string {
  const at = (name: string): string => scene.path(name)
  const pem = (one: TestCa): string => pemEncode('CERTIFICATE', one.certificate.raw)
  writeFileSync(at('ca.pem'), pem(ca))
  writeFileSync(at('roots.pem'), pem(root))
  writeFileSync(
    at('ca.key'),
    createPrivateKey(ca.privateKey.export({ type: 'pkcs8', format: 'pem' })).export({
      type: 'sec1',
      format: 'pem',
    }),
  )
  return `UpstreamAuthority "disk" { plugin_data {
    cert_file_path = "${at('ca.pem')}" key_file_path = "${at('ca.key')}" bundle_file_path = "${at('roots.pem')}"
  } }`
}

function plugins(scene: Scene, upstream: string): string {
  return `
    DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "${scene.path('db')}" } }
    KeyManager "disk" { plugin_data { keys_path = "${scene.path('keys.json')}" } }
    NodeAttestor "join_token" { plugin_data {} }
    ${upstream}`
}

/** Fetches the workload's SVID to files and has openssl verify it. */
function verifiedByOpenssl(scene: Scene, agent: AgentDeployment): string {
  const out = scene.makeFolder('svid')
  fetchUntilServed(agent, ours.agent, 'x509', '-write', out)
  return execFileSync(
    'openssl',
    [
      'verify',
      '-CAfile',
      `${out}/bundle.0.pem`,
      '-untrusted',
      `${out}/svid.0.pem`,
      `${out}/svid.0.pem`,
    ],
    { encoding: 'utf8' },
  )
}

describe('a server below a CA on disk', () => {
  it('hands out chains that openssl verifies', async () => {
    await using scene = new Scene()
    const root = TestCa.create('example.org')
    const upstream = disk(scene, root.createIntermediate(), root)
    const server = await ServerDeployment.start(scene, { plugins: plugins(scene, upstream) })
    const agent = await AgentDeployment.start(scene, server, {
      settings: 'experimental { sync_interval = "1s" }',
    })
    const [parent = ''] = JSON.parse(server.must('agent', 'list', '-output', 'json')).agents.map(
      (one: { id: { path: string } }) => `spiffe://example.org${one.id.path}`,
    )
    registerUser(server, parent, '/web')
    expect(verifiedByOpenssl(scene, agent)).toContain(': OK')
  })
})
