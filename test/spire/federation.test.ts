import { systemClock } from '@mini-spire/runtime/clock'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import { describe, expect, it } from 'vitest'
import { exchangeTokens, goServesSdk, sdkServesGo } from '../interop/cross-domain.ts'
import { FederatedDomain, type Profile, planDomain } from '../interop/federated-domains.ts'
import { goPeer, isGoMissing } from '../kit/peers.ts'
import { ours, type Programs, Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

const skipped = isSpireMissing()
const theirs: Programs = spire ?? ours

/** Two domains that know each other: the first by its configuration, the second since run time. */
async function federate(
  scene: Scene,
  profile: Profile,
  programs: readonly [Programs, Programs],
): Promise<readonly [FederatedDomain, FederatedDomain]> {
  const one = await planDomain(scene, 'one.test', programs[0], profile)
  const two = await planDomain(scene, 'two.test', programs[1], profile)
  const all = [one, two]
  const first = await FederatedDomain.start(scene, one, { known: [two], all })
  const second = await FederatedDomain.start(scene, two, { known: [], all })
  if (profile === 'https_spiffe') first.bootstrap(second)
  second.relate(first)
  first.server.must('federation', 'refresh', '-id', 'two.test')
  return [first, second]
}

const cases: readonly (readonly [string, Profile, readonly [Programs, Programs]])[] = [
  ["ours by configuration, SPIRE's at run time, https_spiffe", 'https_spiffe', [ours, theirs]],
  ["SPIRE's by configuration, ours at run time, https_spiffe", 'https_spiffe', [theirs, ours]],
  ["ours by configuration, SPIRE's at run time, https_web", 'https_web', [ours, theirs]],
  ["SPIRE's by configuration, ours at run time, https_web", 'https_web', [theirs, ours]],
]

describe.skipIf(skipped)('federation with SPIRE', () => {
  it.each(cases)(
    '%s: each holds the bundle of the other, and follows rotations at its own pace',
    async (_, profile, programs) => {
      await using scene = new Scene()
      const [first, second] = await federate(scene, profile, programs)
      first.untilHolds(second)
      second.untilHolds(first)
      for (const { server } of [first, second]) {
        server.must('localauthority', 'x509', 'prepare')
        server.must('localauthority', 'jwt', 'prepare')
      }
      first.untilHolds(second)
      second.untilHolds(first)
      for (const { server } of [first, second]) {
        const prepared = JSON.parse(
          server.must('localauthority', 'x509', 'show', '-output', 'json'),
        ) as { readonly prepared: { readonly authority_id: string } }
        const id = prepared.prepared.authority_id
        server.must('localauthority', 'x509', 'activate', '-authorityID', id)
      }
      first.server.must('federation', 'refresh', '-id', 'two.test')
      second.server.must('federation', 'refresh', '-id', 'one.test')
    },
  )

  it.skipIf(isGoMissing())(
    "workloads of ours (our SDK) and of SPIRE's (go-spiffe) know each other",
    async () => {
      await using scene = new Scene()
      const peer = { command: await goPeer(), args: [] }
      const [first, second] = await federate(scene, 'https_spiffe', [ours, theirs])
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
      expect(await exchangeTokens(first, second, peer)).toEqual([
        first.workloadId,
        second.workloadId,
      ])
    },
  )

  it('the bundle endpoints answer alike, but for the keys', async () => {
    await using scene = new Scene()
    const [first, second] = await federate(scene, 'https_web', [ours, theirs])
    const shapes = []
    for (const domain of [first, second]) {
      const document = await fetchDocument(domain)
      shapes.push(document.replaceAll(/"[\w+/=-]{20,}"/g, '"…"').replaceAll(/: \d+/g, ': n'))
    }
    expect(shapes[0]).toBe(shapes[1])
  })
})

/** The document of a domain's endpoint, as text. */
async function fetchDocument({ plan }: FederatedDomain): Promise<string> {
  const http = new HttpClient({ environment: {}, clock: systemClock })
  const url = `https://localhost:${plan.endpointPort}/`
  const { status, body } = await http.request({ url, roots: [plan.web.roots] })
  expect(status).toBe(200)
  return Buffer.from(body).toString()
}
