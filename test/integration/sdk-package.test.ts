import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
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

function run(script: string): string {
  return execFileSync(process.execPath, ['--no-warnings', '-e', script], {
    cwd: here,
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

  it('plays platforms without the rest of this repository', () => {
    const script = `import('@mini-spire/sdk/testing/platforms').then(async ({ FakeKubernetes }) => {
      const kubernetes = await FakeKubernetes.start()
      const claims = { namespace: 'a', serviceAccount: 'b', podName: 'c', podUid: 'd', audiences: ['e'] }
      process.stdout.write(kubernetes.token(claims))
      await kubernetes[Symbol.asyncDispose]()
    })`
    expect(run(script)).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  })

  it('installs nothing but gRPC and protobuf with a workload', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['@bufbuild/protobuf', '@grpc/grpc-js'])
  })
})
