import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { type Program, runProgram } from '../kit/processes.ts'
import { jsonLines, ServedWorkload } from '../kit/served-workload.ts'

interface SvidLine {
  readonly id: string
  readonly serial?: string
  readonly roots?: number
  readonly token?: string
}

describe.skipIf(isGoMissing())('go-spiffe as a workload of our agent', () => {
  let peer: Program
  let served: ServedWorkload
  beforeAll(async () => {
    peer = { command: await goPeer(), args: [] }
    served = await ServedWorkload.start()
  })
  afterAll(() => served?.[Symbol.asyncDispose]())

  const workload = (...args: readonly string[]): readonly SvidLine[] => {
    const done = runProgram(peer, ['workload', '-addr', served.agent.address, ...args])
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: '' })
    return jsonLines<SvidLine>(done.stdout)
  }

  it('fetches an X509-SVID and verifies it against the bundle', () => {
    expect(workload('-op', 'x509')).toMatchObject([{ id: served.id, roots: 1 }])
  })

  it('fetches a JWT-SVID and validates it, locally and at the agent', () => {
    const [svid] = workload('-op', 'jwt', '-audience', 'test')
    expect(svid?.id).toBe(served.id)
    const validated = workload('-op', 'validate', '-audience', 'test', '-token', svid?.token ?? '')
    expect(validated).toMatchObject([{ id: served.id }])
  })

  it('is refused a token for another audience', () => {
    const [svid] = workload('-op', 'jwt', '-audience', 'test')
    const args = [
      'workload',
      '-addr',
      served.agent.address,
      '-op',
      'validate',
      '-audience',
      'other',
      '-token',
      svid?.token ?? '',
    ]
    const done = runProgram(peer, args)
    expect(done.status).toBe(1)
    expect(done.stderr).toContain('expected audience in ["other"] (audience=["test"])')
  })

  it('reads the bundles', () => {
    expect(workload('-op', 'bundles')).toEqual([{ 'example.org': [1, 1] }])
  })

  it('watches: a new entry reaches the open stream', async () => {
    const second = `spiffe://${served.server.trustDomain}/second`
    const args = ['-op', 'watch', '-until', second, '-timeout', '40s']
    const watch = served.scene.start(peer, ['workload', '-addr', served.agent.address, ...args])
    await watch.waitFor(served.id)
    served.register('/second', '-hint', 'second')
    expect(await watch.ended).toBe(0)
    expect(jsonLines<SvidLine>(watch.output)).toContainEqual(
      expect.objectContaining({ id: second, hint: 'second' }),
    )
  })
})

describe.skipIf(isGoMissing())('spire-api-sdk as a client of our server', () => {
  it('holds the whole conversation', async () => {
    await using served = await ServedWorkload.start()
    const peer: Program = { command: await goPeer(), args: [] }
    const done = runProgram(peer, ['server', '-socket', served.server.socket])
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: '' })
    const replies = Object.assign({}, ...jsonLines<Record<string, unknown>>(done.stdout))
    expect(
      replies.BatchCreateEntry.results.map((result: { status: unknown }) => result.status),
    ).toEqual([{ message: 'OK' }, { code: 6, message: 'similar entry already exists' }])
    expect(replies['GetEntry error']).toBe('rpc error: code = NotFound desc = entry not found')
    expect(replies.CreateJoinToken.value).toMatch(/^[0-9a-f-]{36}$/)
    expect(replies.GetBundle.x509Authorities).toHaveLength(1)
    expect(replies.MintJWTSVID.svid.token.split('.')).toHaveLength(3)
    expect(
      replies.BatchDeleteEntry.results.map((result: { status: unknown }) => result.status),
    ).toEqual([{ message: 'OK' }, { code: 5, message: 'entry not found' }])
  })
})
