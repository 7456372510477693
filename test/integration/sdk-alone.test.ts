import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Program, runProgram, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'

const node: Program = { command: process.execPath, args: ['--no-warnings'] }
const npm: Program = { command: 'npm', args: [] }
const manifest = JSON.parse(readFileSync(join(root, 'packages/sdk/package.json'), 'utf8'))
const entries = Object.keys(manifest.exports)
  .filter((entry) => !/\*|testing|internal/.test(entry))
  .map((entry) => entry.replace('.', '@mini-spire/sdk'))

/** Installs the SDK and nothing else, as a workload does that talks to no cloud. */
describe('the SDK alone', () => {
  const scene = new Scene()
  const folder = scene.path('alone')
  const run = (script: string): string => {
    writeFileSync(join(folder, 'use.cjs'), script)
    const done = runProgram(node, [join(folder, 'use.cjs')])
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: '' })
    return done.stdout
  }

  beforeAll(() => {
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{"name":"user","private":true}')
    const source = join(root, 'packages/sdk')
    const pack = ['pack', source, '--pack-destination', scene.folder, '--ignore-scripts']
    expect(runProgram(npm, pack)).toMatchObject({ status: 0 })
    const [archive = ''] = readdirSync(scene.folder).filter((file) => file.endsWith('.tgz'))
    const flags = ['--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts']
    expect(runProgram(npm, ['install', ...flags, scene.path(archive)])).toMatchObject({ status: 0 })
    return () => scene[Symbol.asyncDispose]()
  }, 600_000)

  it('brings no package of a cloud', () => {
    const names = ['@aws-sdk', '@smithy', '@azure', 'google-auth-library', 'gaxios']
    const modules = join(folder, 'node_modules')
    expect(existsSync(join(modules, '@grpc/grpc-js'))).toBe(true)
    expect(names.filter((name) => existsSync(join(modules, name)))).toEqual([])
  })

  it.each(entries)('%s is imported, and required', (entry) => {
    const printed = run(`const required = require('${entry}')
      import('${entry}').then((imported) => console.log(required === imported, Object.keys(imported).length > 0))`)
    expect(printed).toBe('true true\n')
  })

  it.each([
    {
      entry: 'gcp',
      name: 'google-auth-library',
      use: `sdk.createIdentityPoolClient({ tokens: { provider: 'x' } })`,
    },
    {
      entry: 'azure',
      name: '@azure/identity',
      use: `sdk.createAzureCredential({ assertions: {}, tenantId: 'a', clientId: 'b' })`,
    },
  ])('says what to install when $name is needed', ({ entry, name, use }) => {
    const printed = run(`const sdk = require('@mini-spire/sdk/${entry}')
      ${use}.catch((error) => console.log(error.code, error.message))`)
    const message = `${name} is not installed: npm install ${name}`
    expect(printed).toBe(`ERR_EXCHANGE_PACKAGE_MISSING ${message}\n`)
  })

  it('has the program that exchanges SVIDs', () => {
    const command = join(folder, 'node_modules/.bin/mini-spire-credentials')
    const done = runProgram({ command, args: [] }, ['--help'])
    expect(done).toMatchObject({ status: 0, stderr: '' })
    expect(done.stdout).toContain('aws-web-identity')
  })
})
