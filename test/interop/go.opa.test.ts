import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPolicy } from '@mini-spire/server/authorization/load-policy'
import { OpaPolicy } from '@mini-spire/server/authorization/opa/opa-policy'
import { knownMethods } from '@mini-spire/server/authorization/policy'
import type { PolicyEngine, PolicyQuestion } from '@mini-spire/server/authorization/policy-engine'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isGoMissing, opaPeer } from '../kit/peers.ts'
import { Scene } from '../kit/processes.ts'

const vectors = join(import.meta.dirname, '../vectors/policy')
const dataPath = join(vectors, 'data.json')

describe.skipIf(isGoMissing())('policies that opa compiles', () => {
  let scene: Scene
  let opa: string
  beforeAll(async () => {
    scene = new Scene()
    opa = await opaPeer()
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  function compile(rego: string, name: string): string {
    const source = scene.path(`${name}.rego`)
    const output = scene.path(`${name}.tar.gz`)
    writeFileSync(source, rego)
    const args = ['build', '-t', 'wasm', '-e', 'spire/result', '-o', output, source]
    execFileSync(opa, args, { stdio: 'pipe' })
    return output
  }

  function ask(engine: PolicyEngine, fields: Partial<PolicyQuestion>): readonly string[] {
    const callerPath = (): string => '/usr/bin/spire-server'
    const question = { method: '', caller: '', isLocal: true, request: {}, callerPath, ...fields }
    return [...(engine.grantsOf(question) ?? ['nobody'])].sort()
  }

  it('decide as the committed one does, whose source they are', async () => {
    const source = readFileSync(join(vectors, 'policy.rego'), 'utf8')
    const committed = await OpaPolicy.load({ policyPath: join(vectors, 'policy.tar.gz'), dataPath })
    const fresh = await OpaPolicy.load({ policyPath: compile(source, 'fresh'), dataPath })
    const entryAt = (path: string): unknown => ({
      entries: [{ id: '', spiffeId: { trustDomain: 'example.org', path }, selectors: [] }],
    })
    for (const method of [...knownMethods(), '/never', '/unknown']) {
      for (const request of [{}, undefined, entryAt('/forbidden/x')]) {
        for (const caller of ['', 'spiffe://example.org/counter']) {
          const question = { method, request, caller, isLocal: caller === '' }
          expect(ask(fresh, question)).toEqual(ask(committed, question))
        }
      }
    }
  })

  it.each([
    ['a key that is missing', '{"allow": true}', 'did not contain "allow_if_admin" bool value'],
    ['another type', '"yes"', 'unexpected type'],
    ['no result', 'x if { input.never }', 'no matching policies found'],
  ])('are refused when their result has %s', async (name, result, reason) => {
    const rule = result.includes(' if ') ? 'result := 1 if input.never' : `result := ${result}`
    const policyPath = compile(`package spire\n${rule}\n`, name.replaceAll(' ', '-'))
    await expect(loadPolicy({ policyPath, dataPath: '' })).rejects.toThrow(reason)
  })
})
