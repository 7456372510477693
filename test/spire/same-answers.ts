import { openUnixChannel } from '@mini-spire/runtime/grpc/channel'
import { createClient, type GrpcChannel, GrpcError } from '@mini-spire/runtime/grpc/client'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { expect } from 'vitest'
import { type DeploymentOptions, ServerDeployment } from '../kit/deployment.ts'
import { ours, Scene } from '../kit/processes.ts'
import { Chance } from './chance.ts'
import { spire } from './programs.ts'

/** The seed of a run; another one with `SEED=…`. */
export const seed: number = Number(process.env['SEED'] ?? 20_261_124)

/** How many requests a run makes: so many unless `REQUESTS=…` says otherwise. */
export function requestCount(usual: number): number {
  return Number(process.env['REQUESTS'] ?? usual)
}

/** A server under comparison. */
export interface Compared {
  readonly server: ServerDeployment
  /** To its local socket. */
  readonly channel: GrpcChannel
}

/** How requests are made and put, and what is left of an answer that is to be the same. */
export interface Comparison<Request> {
  readonly count: number
  readonly options?: (scene: Scene) => DeploymentOptions
  /** Makes the source of requests, once both servers are there. */
  readonly source: (chance: Chance, scene: Scene) => () => Request
  /** Makes what puts requests to one of the servers. */
  readonly open: (one: Compared, scene: Scene) => Promise<(request: Request) => Promise<unknown>>
}

/** Puts the same generated requests to our server and SPIRE's, and expects the same answers. */
export async function expectSameAnswers<Request>(comparison: Comparison<Request>): Promise<void> {
  if (!spire) return
  await using scene = new Scene()
  const options = comparison.options?.(scene) ?? {}
  const start = async (name: string, program: DeploymentOptions['program'] & object) => {
    const server = await ServerDeployment.start(scene, { ...options, name, program })
    const channel = openUnixChannel(server.socket)
    scene.defer(async () => channel.close())
    return await comparison.open({ server, channel }, scene)
  }
  const [mine, theirs] = await Promise.all([
    start('ours', ours.server),
    start('spire', spire.server),
  ])
  await expectAlike(comparison.count, comparison.source(new Chance(seed), scene), [mine, theirs])
}

/** Puts so many requests to two who are asked the same, ours first, and expects the same answers. */
export async function expectAlike<Request>(
  count: number,
  next: () => Request,
  [mine, theirs]: readonly ((request: Request) => Promise<unknown>)[],
): Promise<void> {
  if (!mine || !theirs) throw new Error('two are compared')
  const differences: unknown[] = []
  for (let index = 0; index < count && differences.length < 10; index++) {
    const request = next()
    const [given, wanted] = await Promise.all([
      answerOf(() => mine(request)),
      answerOf(() => theirs(request)),
    ])
    try {
      expect(alike(given)).toEqual(alike(wanted))
    } catch {
      differences.push(legible({ index, request, given, wanted }))
    }
  }
  expect(differences).toEqual([])
}

/** As text, with bytes by their beginning. */
function legible(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (typeof part === 'bigint') return `${part}n`
    if (typeof part === 'object' && part !== null && 'data' in part && Array.isArray(part.data))
      return `<${part.data.length} bytes ${Buffer.from(part.data.slice(-4)).toString('hex')}>`
    return part
  })
}

/**
 * Where texts go on in words of their own: what is no request or no JSON says so in the words of the one who reads it, and a
 * comparison that there is not is a number with us, and the character of that number with SPIRE.
 */
const unlike =
  /(failed to parse CSR:|malformed CSR:|invalid public key:|unable to parse X\.509 authority:|unable to parse JWT authority:|failed to unmarshal data:|unable to unmarshal challenge response:|unhandled (?:[a-z ]*)match behavior) .*/

/** An answer without what may differ in the texts of its statuses. */
function alike(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(alike)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const parts = Object.entries(value).map(([name, part]) => [
    name,
    name === 'message' && typeof part === 'string' ? part.replace(unlike, '$1') : alike(part),
  ])
  return Object.fromEntries(parts)
}

/** An answer, or the status of the refusal. */
async function answerOf(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error
    const { statusCode: code, statusMessage: message, details } = error
    return { code, message, details: details.length }
  }
}

/** Gives a server the bundles of other trust domains, made from its own. */
export async function addFederatedBundles(
  { channel }: Compared,
  trustDomains: readonly string[],
): Promise<void> {
  const bundles = createClient(BundleService, channel)
  const own = await bundles.getBundle({ outputMask: undefined })
  const bundle = trustDomains.map((trustDomain) => ({ ...own, trustDomain }))
  await bundles.batchSetFederatedBundle({ bundle, outputMask: undefined })
}

/** All pages of a list in order; pages themselves may be cut differently, and tokens are each server's own. */
export async function allPages<Item>(
  first: { readonly pageSize: number; readonly pageToken: string },
  page: (token: string) => Promise<{ readonly items: readonly Item[]; readonly token: string }>,
): Promise<readonly Item[]> {
  const items: Item[] = []
  let token = first.pageToken
  for (let pages = 0; pages < 1000; pages++) {
    const got = await page(token)
    items.push(...got.items)
    if (got.token === '') return items
    expect(got.items.length).toBeLessThanOrEqual(first.pageSize)
    token = got.token
  }
  throw new Error('the list does not end')
}
