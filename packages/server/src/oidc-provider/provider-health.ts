import type { RequestListener } from 'node:http'
import type { Clock } from '@mini-spire/runtime/clock'
import { answerPlainly, pathOf } from '@mini-spire/runtime/https/plain-answer'
import type { KeyPoller } from './key-poller.ts'
import type { ProviderHealthConfig } from './provider-config.ts'

/** Options of {@link providerHealth}. */
export interface ProviderHealthOptions {
  readonly config: ProviderHealthConfig
  readonly poller: Pick<KeyPoller, 'succeededAtMs'>
  readonly pollIntervalMs: number
  readonly clock: Clock
}

const shortestMs = 3 * 60_000

/** Answers probes: ready while the keys are known and fresh, live as well before there can be any. */
export function providerHealth(options: ProviderHealthOptions): RequestListener {
  const { config, poller, pollIntervalMs, clock } = options
  const limitMs = Math.max(5 * pollIntervalMs, shortestMs)
  const startedAtMs = clock.nowMs()
  const isFresh = (sinceMs: number): boolean => clock.nowMs() - sinceMs < limitMs
  const checks: Readonly<Record<string, () => boolean>> = {
    [config.readyPath]: () => poller.succeededAtMs !== undefined && isFresh(poller.succeededAtMs),
    [config.livePath]: () => isFresh(poller.succeededAtMs ?? startedAtMs),
  }
  return (request, response) => {
    const path = pathOf(request)
    const check = Object.hasOwn(checks, path) ? checks[path] : undefined
    if (!check) return answerPlainly(response, { status: 404, text: '404 page not found' })
    if (request.method !== 'GET') {
      return answerPlainly(response, { status: 405, text: 'method not allowed' })
    }
    response.writeHead(check() ? 200 : 500, { 'content-length': 0 }).end()
  }
}
