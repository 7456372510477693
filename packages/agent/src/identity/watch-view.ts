import type { WorkloadCache } from '../cache/workload-cache.ts'
import { isComplete, type WorkloadView } from '../cache/workload-view.ts'
import type { SelectorSet } from '../model/selector-set.ts'

/** What {@link watchView} reads, and whom it asks for what is missing. */
export interface ViewSource {
  readonly cache: WorkloadCache
  /** Has what the cache misses signed. */
  readonly requestSvids: () => void
}

/**
 * What a workload with these selectors may have, now and after each change, until the signal aborts.
 *
 * The first view comes when every identity in it has been signed. A slow reader sees the latest state only, and one that has
 * not changed is not repeated.
 */
export async function* watchView(
  { cache, requestSvids }: ViewSource,
  set: SelectorSet,
  signal: AbortSignal,
): AsyncGenerator<WorkloadView, void, undefined> {
  const subscription = cache.subscribe(set)
  try {
    let last: WorkloadView | undefined
    do {
      const view = cache.view(set)
      if (!isComplete(view)) requestSvids()
      if (view === last || !isDue(view, last === undefined)) continue
      last = view
      yield view
    } while (await subscription.changed(signal))
  } finally {
    subscription.close()
  }
}

/** An identity that is being replaced must not look like none at all. */
function isDue(view: WorkloadView, isFirst: boolean): boolean {
  if (isFirst) return isComplete(view)
  return view.entries.length === 0 || view.identities.length > 0
}
