import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

/** The subject of an SVID that a server with `uniqueid` mints, as openssl prints it. */
async function subjectBelow(program: Program): Promise<string> {
  await using scene = new Scene()
  const server = await ServerDeployment.start(scene, {
    program,
    morePlugins: 'CredentialComposer "uniqueid" {}',
  })
  const minted = server.must(
    'x509',
    'mint',
    '-spiffeID',
    'spiffe://example.org/web',
    '-dns',
    'a.test',
  )
  writeFileSync(scene.path('minted.pem'), minted)
  const args = [
    'x509',
    '-in',
    scene.path('minted.pem'),
    '-noout',
    '-subject',
    '-nameopt',
    'oneline,show_type',
  ]
  return execFileSync('openssl', args, { encoding: 'utf8' })
}

describe.skipIf(isSpireMissing())('credential composer uniqueid', () => {
  it('writes the very subject that SPIRE’s does', async () => {
    const theirs = await subjectBelow(spire?.server ?? ours.server)
    expect(theirs).toContain('x500UniqueIdentifier')
    expect(await subjectBelow(ours.server)).toBe(theirs)
  })
})
