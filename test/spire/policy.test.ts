import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'
import { isSpireMissing, spire } from './programs.ts'

const skipped = isSpireMissing()
const vectors = join(root, 'test', 'vectors', 'policy')
const spireServer = spire?.server ?? ours.server

const commands: readonly (readonly string[])[] = [
  ['entry', 'show'],
  ['entry', 'count'],
  ['agent', 'list'],
  ['bundle', 'list'],
  ['token', 'generate'],
  ...['/fine', '/forbidden/x'].map((path) => [
    'entry',
    'create',
    '-parentID',
    'spiffe://example.org/host',
    '-spiffeID',
    `spiffe://example.org${path}`,
    '-selector',
    'unix:uid:1',
  ]),
]

/** What SPIRE's command line says of each command: its exit code and what it was refused with. */
async function answersOf(program: Program, file: string): Promise<readonly string[]> {
  await using scene = new Scene()
  const keys = `rego_path = "${join(vectors, file)}" policy_data_path = "${join(vectors, 'data.json')}"`
  const server = await ServerDeployment.start(scene, {
    program,
    cli: spireServer,
    settings: `experimental { auth_opa_policy_engine { local { ${keys} } } }`,
  })
  return commands.map((args) => {
    const { status, stderr } = server.cli(...args)
    return `${status} ${stderr}`
  })
}

describe.skipIf(skipped)('a policy in Rego', () => {
  it('decides the same, compiled for our server, as in source for SPIRE’s', async () => {
    const answers = await answersOf(ours.server, 'policy.tar.gz')
    expect(answers).toEqual(await answersOf(spireServer, 'policy.rego'))
    expect(answers.filter((answer) => answer === '0 ')).toHaveLength(2)
  })
})
