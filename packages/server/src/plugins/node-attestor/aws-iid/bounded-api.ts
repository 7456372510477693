import type { Clock } from '@mini-spire/runtime/clock'
import type { AwsApi } from './aws-api.ts'

const timeoutMs = 20_000

/** The same, with a bound on the time of every question, whatever AWS does. */
export function boundedInTime(api: AwsApi, clock: Clock): AwsApi {
  return {
    describeInstances: (place, instanceId, signal) =>
      within(clock, signal, (ending) => api.describeInstances(place, instanceId, ending)),
    listProfileRoles: (place, profileName, signal) =>
      within(clock, signal, (ending) => api.listProfileRoles(place, profileName, ending)),
    listActiveAccounts: (signal) =>
      within(clock, signal, (ending) => api.listActiveAccounts(ending)),
    listClusterInstances: (place, clusterName, signal) =>
      within(clock, signal, (ending) => api.listClusterInstances(place, clusterName, ending)),
  }
}

function within<T>(
  clock: Clock,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const ending = new AbortController()
    const end = (why: unknown): void => {
      ending.abort(why)
      reject(why)
    }
    const onAbort = (): void => end(signal.reason)
    const timer = clock.setTimer(timeoutMs, () =>
      end(new Error(`no answer from AWS within ${timeoutMs / 1000} s`)),
    )
    const finish = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    ask(ending.signal).then(resolve, reject).finally(finish)
  })
}
