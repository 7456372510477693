import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { GrpcError } from '@mini-spire/runtime/grpc/client'
import type { X509SVID } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { describe, expect, it } from 'vitest'
import type { ServerDeployment } from '../kit/deployment.ts'
import { Scene } from '../kit/processes.ts'
import { Chance } from './chance.ts'
import { isSpireMissing } from './programs.ts'
import { requestCount, seed } from './same-answers.ts'
import {
  nodes,
  ownSelector,
  plainToken,
  securityHeader,
  startTwoAgents,
  type WorkloadApi,
} from './two-agents.ts'

const patienceMs = 30_000
const options = { metadata: securityHeader }
const names = ['a', 'b', 'c', 'd', 'e']

describe.skipIf(isSpireMissing())('What happens to entries', () => {
  it('arrives at the workloads of both agents alike', async () => {
    await using scene = new Scene()
    const settings = 'experimental { sync_interval = "1s" }'
    const { server, apis } = await startTwoAgents(scene, settings)
    const change = changes(new Chance(seed), scene, server)
    const streams = apis.map((api) => new Streams(scene, api))
    for (let step = 0; step < requestCount(25); step++) {
      const what = change()
      await expectSameStates(streams, `${step}: ${what}`)
    }
  })
})

/** Makes the next change to entries and bundles, and says which. */
function changes(chance: Chance, scene: Scene, server: ServerDeployment): () => string {
  const bundle = scene.path('bundle.json')
  const known = new Set<string>()
  const attributes = (): string[] => {
    const more: string[] = []
    if (chance.happens(0.4)) more.push('-hint', chance.of(['x', 'y']))
    if (chance.happens(0.3)) more.push('-dns', chance.of(['one.example', 'two.example']))
    if (chance.happens(0.4) && known.has('other')) more.push('-federatesWith', 'spiffe://other.org')
    if (chance.happens(0.2)) more.push('-jwtSVIDTTL', '120')
    if (chance.happens(0.1)) more.push(chance.of(['-admin', '-downstream']))
    if (chance.happens(0.1)) more.push('-storeSVID')
    return more
  }
  const entry = (command: string, name: string): string => {
    const selectors = chance
      .of([
        [ownSelector()],
        [ownSelector(), 'unix:gid:0'],
        ['unix:uid:4711'],
        [`unix:path:${process.execPath}`, ownSelector()],
      ])
      .flatMap((selector) => ['-selector', selector])
    const path = `/${name}/${chance.of(['one', 'two'])}`
    const usual = ['-parentID', nodes, '-spiffeID', `spiffe://example.org${path}`, ...selectors]
    const args = ['entry', command, '-entryID', name, ...usual, ...attributes()]
    return `${args.join(' ')}: ${server.cli(...args).status}`
  }
  const federate = (): string => {
    writeFileSync(bundle, server.must('bundle', 'show', '-format', 'spiffe'))
    known.add('other')
    const args = ['-id', 'spiffe://other.org', '-format', 'spiffe', '-path', bundle]
    return `bundle set: ${server.cli('bundle', 'set', ...args).status}`
  }
  const separate = (): string => {
    known.delete('other')
    const args = ['-id', 'spiffe://other.org', '-mode', 'dissociate']
    return `bundle delete: ${server.cli('bundle', 'delete', ...args).status}`
  }
  return () => {
    const name = chance.of(names)
    if (chance.happens(0.15)) return chance.happens(0.7) ? federate() : separate()
    if (!known.has(name)) {
      known.add(name)
      return entry('create', name)
    }
    if (chance.happens(0.6)) return entry('update', name)
    known.delete(name)
    return `delete ${name}: ${server.cli('entry', 'delete', '-entryID', name).status}`
  }
}

/** The latest that one agent has said on its streams, opened again whenever they end. */
class Streams {
  readonly #api: WorkloadApi
  #svids: unknown = 'nothing yet'
  #bundles: unknown = 'nothing yet'
  #jwtBundles: unknown = 'nothing yet'

  constructor(scene: Scene, api: WorkloadApi) {
    this.#api = api
    const ended = new AbortController()
    scene.defer(async () => ended.abort())
    const { signal } = ended
    const with_ = { ...options, signal }
    const follow = <T>(
      open: () => AsyncIterable<T>,
      told: (one: T) => void,
      failed: (text: string) => void,
    ): void => void followStream(open, told, failed, signal)
    follow(
      () => api.fetchX509Svid({}, with_),
      ({ svids, federatedBundles }) => {
        this.#svids = { svids: svids.map(plainSvid), federated: plainBundles(federatedBundles) }
      },
      (failure) => (this.#svids = failure),
    )
    follow(
      () => api.fetchX509Bundles({}, with_),
      ({ bundles }) => (this.#bundles = plainBundles(bundles)),
      (failure) => (this.#bundles = failure),
    )
    follow(
      () => api.fetchJwtBundles({}, with_),
      ({ bundles }) => (this.#jwtBundles = plainBundles(bundles)),
      (failure) => (this.#jwtBundles = failure),
    )
  }

  /** What it says, without what differs from one certificate or token to the next. */
  async state(): Promise<string> {
    const tokens = await this.#api.fetchJwtsvid({ audience: ['a'], spiffeId: '' }, options).then(
      ({ svids }) => svids.map(({ svid, hint }) => ({ ...plainToken(svid), hint })),
      (error: unknown) => textOf(error),
    )
    const told = { svids: this.#svids, bundles: this.#bundles, jwt: this.#jwtBundles, tokens }
    return JSON.stringify(told, undefined, 1)
  }
}

async function followStream<T>(
  open: () => AsyncIterable<T>,
  told: (one: T) => void,
  failed: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const one of open()) told(one)
    } catch (error) {
      if (signal.aborted) return
      failed(textOf(error))
    }
    await sleep(100)
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof GrpcError)) throw error
  return `${error.statusCode} ${error.statusMessage}`
}

/** An SVID by what its certificate says. */
function plainSvid(svid: X509SVID): object {
  const { spiffeId, hint, x509Svid, bundle } = svid
  const { subjectAltName, subject } = new X509Certificate(x509Svid)
  return {
    spiffeId,
    hint,
    subjectAltName,
    subject,
    bundle: base64(bundle),
  }
}

function plainBundles(bundles: ReadonlyMap<string, Uint8Array>): object {
  return Object.fromEntries([...bundles].sort().map(([id, bytes]) => [id, base64(bytes)]))
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

async function expectSameStates(streams: readonly Streams[], what: string): Promise<void> {
  const until = Date.now() + patienceMs
  // Both are asked until they agree; that they agree on what is new is seen by asking again after the agents have heard of it.
  await sleep(2500)
  for (;;) {
    const [given = '', wanted = ''] = await Promise.all(streams.map((one) => one.state()))
    if (given === wanted) return
    if (Date.now() > until) expect(`${what}\n${given}`).toBe(`${what}\n${wanted}`)
    await sleep(500)
  }
}
