import { beforeAll, describe, expect, it } from 'vitest'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { ours, type Program, Scene } from '../kit/processes.ts'
import { exchangeTokens, goServesSdk, sdkServesGo } from './cross-domain.ts'
import { FederatedDomain, planDomain } from './federated-domains.ts'

describe.skipIf(isGoMissing())('workloads of federated trust domains', () => {
  let peer: Program
  beforeAll(async () => {
    peer = { command: await goPeer(), args: [] }
  })

  it('know each other by mTLS and by JWT-SVID, our SDK on one side and go-spiffe on the other', async () => {
    await using scene = new Scene()
    const one = await planDomain(scene, 'one.test', ours, 'https_spiffe')
    const two = await planDomain(scene, 'two.test', ours, 'https_web')
    const all = [one, two]
    const first = await FederatedDomain.start(scene, one, { known: [two], all })
    const second = await FederatedDomain.start(scene, two, { known: [], all })
    second.relate(first)
    first.server.must('federation', 'refresh', '-id', 'two.test')
    first.untilHolds(second)
    second.untilHolds(first)
    await first.serve(scene, [second])
    await second.serve(scene, [first])

    const met = {
      bySdk: second.workloadId,
      byGo: first.workloadId,
      heardByGo: 'hello from the SDK\n',
    }
    expect(await sdkServesGo(first, second, peer)).toEqual(met)
    expect(await goServesSdk(second, first, peer)).toEqual(met)
    expect(await exchangeTokens(first, second, peer)).toEqual([first.workloadId, second.workloadId])
  })
})

describe('three trust domains', () => {
  it('go on when one is killed, and say why its edge does not', async () => {
    await using scene = new Scene()
    const plans = await Promise.all(
      ['one.test', 'two.test', 'three.test'].map((name) =>
        planDomain(scene, name, ours, 'https_web'),
      ),
    )
    const domains = await Promise.all(
      plans.map((plan) => {
        const known = plans.filter((other) => other !== plan)
        return FederatedDomain.start(scene, plan, { known, all: plans })
      }),
    )
    for (const domain of domains) {
      for (const other of domains) {
        if (other === domain) continue
        domain.server.must('federation', 'refresh', '-id', other.name)
        expect(domain.holds(other)).toBe(true)
      }
    }
    const [one, two, three] = domains
    if (!one || !two || !three) throw new Error('three were planned')
    three.server.daemon.process.kill('SIGKILL')
    await three.server.daemon.ended
    const refused = one.server.cli('federation', 'refresh', '-id', 'three.test')
    expect(refused).toMatchObject({ status: 1, stdout: '' })
    expect(refused.stderr).toMatch(
      /^Error: failed to refresh bundle: rpc error: code = Internal desc = failed to refresh bundle: failed to fetch federated bundle from endpoint: failed to fetch bundle: no answer from localhost:\d+: /,
    )
    const shown = one.server.must('federation', 'show', '-trustDomain', 'three.test', '-health')
    expect(shown).toMatch(/^Last error {16}: failed to fetch federated bundle/m)
    expect(shown).toMatch(/^Bundle last seen {10}: \d{4}-/m)
    const kept = one.server.must('bundle', 'list', '-id', 'three.test')
    expect(kept).toContain('BEGIN CERTIFICATE')
    two.server.must('localauthority', 'jwt', 'prepare')
    one.server.must('federation', 'refresh', '-id', 'two.test')
    expect(one.holds(two)).toBe(true)
  })
})
