import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
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

interface States {
  readonly active: {
    readonly authority_id: string
    readonly upstream_authority_subject_key_id: string
  }
}

const states = (server: ServerDeployment): States =>
  JSON.parse(server.must('localauthority', 'x509', 'show', '-output', 'json'))

describe('a server below a CA on disk', () => {
  it('hands out chains that openssl verifies, takes up a new root, and drops the old one by hand', async () => {
    await using scene = new Scene()
    const root = TestCa.create('example.org')
    const upstream = disk(scene, root, root)
    const server = await ServerDeployment.start(scene, { morePlugins: upstream })
    const agent = await AgentDeployment.start(scene, server, {
      settings: 'experimental { sync_interval = "1s" }',
    })
    const [parent = ''] = JSON.parse(server.must('agent', 'list', '-output', 'json')).agents.map(
      (one: { id: { path: string } }) => `spiffe://example.org${one.id.path}`,
    )
    registerUser(server, parent, '/web')
    expect(verifiedByOpenssl(scene, agent)).toContain(': OK')
    const before = states(server).active

    const next = TestCa.create('example.org')
    const intermediate = next.createIntermediate()
    disk(scene, intermediate, next)
    const prepared = JSON.parse(server.must('localauthority', 'x509', 'prepare', '-output', 'json'))
    const id = prepared.prepared_authority.authority_id
    server.must('localauthority', 'x509', 'activate', '-authorityID', id)
    expect(states(server).active.upstream_authority_subject_key_id).toBe(
      Buffer.from(intermediate.certificate.subjectKeyId ?? []).toString('hex'),
    )
    const refused = server.cli(
      'localauthority',
      'x509',
      'taint',
      '-authorityID',
      before.authority_id,
    )
    expect(refused.stderr).toContain(
      "local authority can't be tainted if there is an upstream authority",
    )
    const old = before.upstream_authority_subject_key_id
    server.must('upstreamauthority', 'taint', '-subjectKeyID', old)
    await agent.daemon.waitFor('Tainted X.509 SVIDs')
    expect(verifiedByOpenssl(scene, agent)).toContain(': OK')
    server.must('upstreamauthority', 'revoke', '-subjectKeyID', old)
    expect(readFileSync(server.writeBundle(), 'utf8')).toBe(
      pemEncode('CERTIFICATE', next.certificate.raw),
    )
  })
})
