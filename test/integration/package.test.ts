import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Program, runProgram, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'

const npm: Program = { command: 'npm', args: [] }
const published = ['sdk', 'server', 'agent'] as const

function mustSucceed(program: Program, args: readonly string[]): void {
  const done = runProgram(program, args)
  if (done.status !== 0) throw new Error(`${args.join(' ')}: ${done.stderr}`)
}

/** Packs the published packages and installs them in an empty folder, as a user would. */
describe('what is published', () => {
  const scene = new Scene()
  const folder = scene.path('installed')
  const installed = (...path: readonly string[]): string => join(folder, 'node_modules', ...path)

  beforeAll(() => {
    mkdirSync(folder)
    for (const name of published) {
      const from = join(root, 'packages', name)
      mustSucceed(npm, ['pack', from, '--pack-destination', scene.folder, '--ignore-scripts'])
    }
    const archives = readdirSync(scene.folder).filter((file) => file.endsWith('.tgz'))
    writeFileSync(join(folder, 'package.json'), '{"name":"user","private":true}')
    const flags = ['--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts']
    mustSucceed(npm, ['install', ...flags, ...archives.map((file) => scene.path(file))])
    return () => scene[Symbol.asyncDispose]()
  }, 600_000)

  it.each(['server', 'agent'])('mini-spire-%s starts, and says which version it is', (name) => {
    const program = { command: installed('.bin', `mini-spire-${name}`), args: [] }
    const done = runProgram(program, ['-version'])
    expect(done.status).toBe(0)
    expect(done.stderr).toMatch(/^1\.15\.3\+mini-spire\.\d+\.\d+\.\d+\n$/)
  })

  it('mini-oidc-discovery-provider starts, and says which version it is', () => {
    const program = { command: installed('.bin', 'mini-oidc-discovery-provider'), args: [] }
    const done = runProgram(program, ['-version'])
    expect(done.status).toBe(0)
    expect(done.stdout).toMatch(/^1\.15\.3\+mini-spire\.\d+\.\d+\.\d+\n$/)
  })

  it.each(['server', 'agent'])(
    'mini-spire-%s carries licences, and no package it inlines',
    (name) => {
      const read = (file: string): string =>
        readFileSync(installed('@mini-spire', name, file), 'utf8')
      expect(Object.keys(JSON.parse(read('package.json')).dependencies)).not.toContain(
        '@mini-spire/runtime',
      )
      expect(read('LICENSE')).toContain('Apache License')
      expect(read('THIRD_PARTY')).toContain('@grpc/grpc-js')
    },
  )

  it('the server validates a configuration with its embedded store', () => {
    const config = scene.path('server.conf')
    const data = scene.path('data')
    writeFileSync(
      config,
      `server { trust_domain = "example.org" data_dir = "${data}" bind_address = "127.0.0.1" bind_port = 18081 }
plugins {
  DataStore "level" {}
  KeyManager "memory" {}
}`,
    )
    const program = { command: installed('.bin', 'mini-spire-server'), args: [] }
    const done = runProgram(program, ['validate', '-config', config])
    expect(done).toMatchObject({ status: 0, stdout: 'SPIRE server configuration file is valid.\n' })
  })

  it('the server says what to install for an attestor whose packages are not there', () => {
    const config = scene.path('aws.conf')
    writeFileSync(
      config,
      `server { trust_domain = "example.org" data_dir = "${scene.path('data')}" bind_address = "127.0.0.1" bind_port = 18081 }
plugins {
  DataStore "level" {}
  KeyManager "memory" {}
  NodeAttestor "aws_iid" { plugin_data { validate_eks_cluster_membership = { eks_cluster_names = ["a"] } } }
}`,
    )
    const program = { command: installed('.bin', 'mini-spire-server'), args: [] }
    const done = runProgram(program, ['run', '-config', config])
    expect(done.status).toBe(1)
    expect(`${done.stdout}${done.stderr}`).toContain(
      'the AWS SDK is not installed; install it beside the server: npm install @aws-sdk/client-ec2 @aws-sdk/client-iam @aws-sdk/credential-providers @aws-sdk/client-eks @aws-sdk/client-auto-scaling',
    )
  })

  it('the SDK is imported, and required', () => {
    const file = join(folder, 'use.cjs')
    writeFileSync(
      file,
      `const required = require('@mini-spire/sdk')
       import('@mini-spire/sdk').then(imported => console.log(
         required.SpiffeId.parse('spiffe://a/b').path, imported.SpiffeId === required.SpiffeId))`,
    )
    const done = runProgram({ command: process.execPath, args: [] }, [file])
    expect({ status: done.status, stdout: done.stdout }).toEqual({ status: 0, stdout: '/b true\n' })
  })
})
