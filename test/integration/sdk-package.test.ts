import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const here = dirname(fileURLToPath(import.meta.url))
const manifest: {
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies: Readonly<Record<string, string>>
} = JSON.parse(readFileSync(new URL('../../packages/sdk/package.json', import.meta.url), 'utf8'))
const entries = Object.keys(manifest.exports)
  .filter((entry) => !entry.includes('*'))
  .map((entry) => entry.replace('.', '@mini-spire/sdk'))

function run(script: string, cwd = here): string {
  return execFileSync(process.execPath, ['--no-warnings', '-e', script], {
    cwd,
    encoding: 'utf8',
  })
}

describe('the built SDK', () => {
  it.each(entries)('%s loads with require(), as it does with import', (entry) => {
    const names = 'process.stdout.write(Object.keys(sdk).sort().join())'
    const required = run(`const sdk = require('${entry}'); ${names}`)
    expect(required).not.toBe('')
    expect(run(`import('${entry}').then((sdk) => ${names})`)).toBe(required)
  })

  it('plays platforms from what is published, in an empty folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sdk-package-'))
    try {
      const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], {
        cwd: fileURLToPath(new URL('../../packages/sdk', import.meta.url)),
        encoding: 'utf8',
      }).trim()
      const installed = join(folder, 'node_modules', '@mini-spire', 'sdk')
      mkdirSync(installed, { recursive: true })
      execFileSync('tar', ['-xzf', join(folder, packed), '--strip-components=1', '-C', installed])
      // None of its dependencies is there: the kit needs nothing but Node.
      const script = `import('@mini-spire/sdk/testing/platforms').then(async (kit) => {
        const said = []
        const kubernetes = await kit.FakeKubernetes.start()
        const claims = { namespace: 'a', serviceAccount: 'b', podName: 'c', podUid: 'd', audiences: ['e'] }
        said.push(kubernetes.token(claims))
        await kubernetes[Symbol.asyncDispose]()
        const google = await kit.FakeGoogle.start({ project_id: 'p', instance_id: '1' })
        said.push(google.token('a'))
        await google[Symbol.asyncDispose]()
        const azure = await kit.FakeAzure.start({ tenantId: 't', subscriptionId: 's', vmId: 'v', tags: {} })
        said.push(azure.token('a'), azure.document('nonce', 'second-signer').toString('base64'))
        await azure[Symbol.asyncDispose]()
        const aws = new kit.TestAws()
        const metadata = await kit.FakeInstanceMetadata.start({ evidence: aws.evidence(), tokens: 'unknown' })
        const path = '/latest/dynamic/instance-identity/document'
        said.push((await (await fetch(metadata.endpoint + path)).json()).instanceId)
        await metadata[Symbol.asyncDispose]()
        process.stdout.write(JSON.stringify(said))
      })`
      const said: readonly string[] = JSON.parse(run(script, folder))
      expect(said).toHaveLength(5)
      const [pod, instance, machine, document = '', id] = said
      for (const token of [pod, instance, machine]) expect(token).toMatch(/^[\w-]+(\.[\w-]+){2}$/)
      expect(Buffer.from(document, 'base64').toString('latin1')).toContain('"nonce":"nonce"')
      expect(id).toBe('i-0123456789abcdef0')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('installs nothing but gRPC and protobuf with a workload', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['@bufbuild/protobuf', '@grpc/grpc-js'])
  })
})
