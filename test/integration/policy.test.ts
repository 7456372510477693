import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'

const vectors = join(root, 'test', 'vectors', 'policy')

function policy(file: string): { readonly settings: string } {
  const keys = `rego_path = "${join(vectors, file)}" policy_data_path = "${join(vectors, 'data.json')}"`
  return { settings: `experimental { auth_opa_policy_engine { local { ${keys} } } }` }
}

function createEntry(server: ServerDeployment, path: string): string {
  const done = server.cli(
    'entry',
    'create',
    '-parentID',
    'spiffe://example.org/host',
    '-spiffeID',
    `spiffe://example.org${path}`,
    '-selector',
    'unix:uid:1',
  )
  return `${done.status} ${done.stderr}`
}

describe('a server with a policy of its own', () => {
  it('decides each call by it, the request included', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, policy('policy.tar.gz'))
    expect(createEntry(server, '/fine')).toBe('0 ')
    const method = '/spire.api.server.entry.v1.Entry/BatchCreateEntry'
    expect(createEntry(server, '/forbidden/x')).toContain(
      `code = PermissionDenied desc = authorization denied for method ${method}`,
    )
    expect(server.must('entry', 'show')).toContain('Found 1 entry')
    // The built-in policy would let a local caller do this.
    expect(server.cli('agent', 'list').stderr).toContain('PermissionDenied')
  })

  it('does not start with Rego source, and says how to compile it', async () => {
    await using scene = new Scene()
    const server = await ServerDeployment.prepare(scene, policy('policy.rego'))
    const refused = scene.start(ours.server, ['run', '-config', server.config])
    expect(await refused.ended).toBe(1)
    expect(refused.output).toContain('opa build -t wasm -e spire/result')
  })
})
