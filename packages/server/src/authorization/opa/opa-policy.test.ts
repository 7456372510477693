import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadPolicy } from '../load-policy.ts'
import { knownMethods } from '../policy.ts'
import { builtInPolicy, type PolicyEngine, type PolicyQuestion } from '../policy-engine.ts'
import { OpaPolicy } from './opa-policy.ts'

const vectors = join(import.meta.dirname, '../../../../../test/vectors/policy')
const policyPath = join(vectors, 'policy.tar.gz')
const dataPath = join(vectors, 'data.json')
const create = '/spire.api.server.entry.v1.Entry/BatchCreateEntry'
const count = '/spire.api.server.entry.v1.Entry/CountEntries'

let folder: string
let policy: PolicyEngine
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'policy-'))
  policy = await OpaPolicy.load({ policyPath, dataPath })
})
afterAll(() => rmSync(folder, { recursive: true }))

function ask(fields: Partial<PolicyQuestion>, engine: PolicyEngine = policy): readonly string[] {
  const question = {
    method: create,
    caller: '',
    isLocal: true,
    callerPath: () => '/usr/bin/spire-server',
    request: {},
    ...fields,
  }
  return [...(engine.grantsOf(question) ?? ['nobody'])].sort()
}

const entryAt = (path: string): unknown => ({
  entries: [{ id: '', spiffeId: { trustDomain: 'example.org', path }, selectors: [] }],
})

describe('a policy file', () => {
  const load = (path: string, data = dataPath): Promise<unknown> =>
    loadPolicy({ policyPath: path, dataPath: data })

  it('is refused when it is Rego source, with the command that compiles it', async () => {
    await expect(load(join(vectors, 'policy.rego'))).rejects.toMatchObject({
      code: 'ERR_POLICY_UNUSABLE',
      message: expect.stringContaining('opa build -t wasm -e spire/result'),
    })
  })

  it.each([
    ['missing', undefined, 'no such file'],
    ['cut off', () => readFileSync(policyPath).subarray(0, 5000), 'unable to unpack'],
    [
      'an archive that ends within a file',
      () => gzipSync(gunzipSync(readFileSync(policyPath)).subarray(0, 20_000)),
      'ends within a file',
    ],
    ['an archive of something else', () => gzipSync(Buffer.alloc(1024)), 'no policy.wasm'],
    ['no policy', () => Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), 'misconfigured'],
    ['damaged', () => Buffer.from([0, 0x61, 0x73, 0x6d, 9]), 'misconfigured'],
  ])('is refused when it is %s', async (name, bytes, reason) => {
    const path = join(folder, name)
    if (bytes) writeFileSync(path, bytes())
    await expect(load(path)).rejects.toMatchObject({
      code: 'ERR_POLICY_UNUSABLE',
      message: expect.stringMatching(
        new RegExp(`^unable to obtain authpolicy engine: .*${reason}`),
      ),
    })
  })

  it.each([
    ['[]', 'not an object'],
    ['{', 'error decoding JSON databindings'],
  ])('is refused with data that is no JSON object: %s', async (text, reason) => {
    const path = join(folder, 'data.json')
    writeFileSync(path, text)
    await expect(load(policyPath, path)).rejects.toThrow(reason)
    await expect(load(policyPath, join(folder, 'none.json'))).rejects.toThrow('policy data')
  })

  it('may be a bare module, and then has no data but what is named', async () => {
    const archive = gunzipSync(readFileSync(policyPath))
    const header = archive.indexOf('/policy.wasm')
    const size = Number.parseInt(archive.toString('latin1', header + 124, header + 135), 8)
    const path = join(folder, 'policy.wasm')
    writeFileSync(path, archive.subarray(header + 512, header + 512 + size))
    const method = '/spire.api.server.bundle.v1.Bundle/GetBundle'
    const without = await OpaPolicy.load({ policyPath: path, dataPath: '' })
    expect(ask({ method }, without)).toEqual([])
    const withData = await OpaPolicy.load({ policyPath: path, dataPath })
    expect(ask({ method }, withData)).toEqual(['any'])
  })
})

describe('an operator’s policy', () => {
  it('lets in whom its data names, and nobody where it is silent', () => {
    const prefix = '/spire.api.server'
    expect(ask({ method: `${prefix}.entry.v1.Entry/ListEntries` })).toEqual(['admin', 'local'])
    expect(ask({ method: `${prefix}.svid.v1.SVID/NewDownstreamX509CA` })).toEqual(['downstream'])
    expect(ask({ method: `${prefix}.agent.v1.Agent/RenewAgent` })).toEqual(['agent'])
    expect(ask({ method: `${prefix}.agent.v1.Agent/AttestAgent`, request: undefined })).toEqual([
      'any',
    ])
    expect(ask({ method: count })).toEqual([])
  })

  it('sees the caller’s ID, which the built-in policy never looks at', () => {
    const caller = 'spiffe://example.org/counter'
    expect(ask({ method: count, caller, isLocal: false })).toEqual(['any'])
    expect(ask({ method: count, caller: `${caller}x`, isLocal: false })).toEqual([])
  })

  it('sees the request under the names of the wire contract', () => {
    expect(ask({ request: entryAt('/fine') })).toEqual(['local'])
    expect(ask({ request: entryAt('/forbidden/x') })).toEqual([])
  })

  it('sees the program of a local caller, and of no other', () => {
    const callerPath = (): string => '/opt/untrusted/tool'
    expect(ask({ callerPath })).toEqual([])
    expect(ask({ callerPath, isLocal: false, caller: 'spiffe://example.org/x' })).toEqual(['local'])
  })

  it('may use functions that only its surroundings can compute', () => {
    expect(ask({ method: '/never' })).toEqual([])
  })

  it('never sees a large request of somebody who has shown nothing: that is refused', () => {
    const entries = Array.from({ length: 20_000 }, () => ({ id: 'x' }))
    expect(ask({ isLocal: false, request: { entries } })).toEqual(['nobody'])
    expect(ask({ isLocal: false, request: { id: 'x'.repeat(20_000) } })).toEqual(['nobody'])
    expect(ask({ isLocal: true, request: { entries } })).toEqual(['local'])
  })

  it('that needs more memory than it may have refuses the call, and decides the next one', () => {
    const huge = { entries: [{ hint: 'x'.repeat(70 * 1024 * 1024) }] }
    expect(() => ask({ request: huge })).toThrow(
      expect.objectContaining({
        code: 'ERR_POLICY_EVALUATION',
        message: expect.stringMatching(/^policy: /),
      }),
    )
    expect(ask({ request: entryAt('/fine') })).toEqual(['local'])
  })

  it('is asked about every method of the server, and answers each', () => {
    for (const method of knownMethods()) expect(() => ask({ method })).not.toThrow()
  })
})

describe('the built-in policy', () => {
  it('is what a server without a policy of its own has', async () => {
    expect(await loadPolicy(undefined)).toBe(builtInPolicy)
    expect(ask({ method: create }, builtInPolicy)).toEqual(['admin', 'local'])
    expect(ask({ method: '/unknown' }, builtInPolicy)).toEqual(['nobody'])
  })
})
