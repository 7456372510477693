import { type MetricKey, type Metrics, measureCall, noMetrics, statusOf } from './metrics.ts'

/** Which methods of a thing are counted, and under which keys. */
export type MeasuredMethods<Target> = { readonly [Name in keyof Target]?: MetricKey }

/**
 * The same thing with some of its methods counted as calls; when nobody counts, the thing itself. A method that returns a
 * promise is over when that settles.
 *
 * @example
 * const bundles = measureMethods(registry.bundles, { find: ['datastore', 'bundle', 'fetch'] }, metrics)
 */
export function measureMethods<Target extends object>(
  target: Target,
  keys: MeasuredMethods<Target>,
  metrics: Metrics,
): Target {
  if (metrics === noMetrics) return target
  const made = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_, name) {
      const known = made.get(name)
      if (known) return known
      // With the target as receiver: private fields are its own.
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const key = (keys as Readonly<Record<PropertyKey, MetricKey | undefined>>)[name]
      const bound = value.bind(target) as (...args: unknown[]) => unknown
      const method = key ? measured(bound, key, metrics) : bound
      made.set(name, method)
      return method
    },
  })
}

function measured(
  method: (...args: unknown[]) => unknown,
  key: MetricKey,
  metrics: Metrics,
): (...args: unknown[]) => unknown {
  return (...args) => {
    const startedMs = performance.now()
    const finish = (code: number): void =>
      measureCall(metrics, { key, durationMs: performance.now() - startedMs, code })
    let result: unknown
    try {
      result = method(...args)
    } catch (error) {
      finish(statusOf(error))
      throw error
    }
    if (!(result instanceof Promise)) {
      finish(0)
      return result
    }
    return result.then(
      (value: unknown) => {
        finish(0)
        return value
      },
      (error: unknown) => {
        finish(statusOf(error))
        throw error
      },
    )
  }
}
