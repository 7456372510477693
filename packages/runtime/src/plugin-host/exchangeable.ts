/** A plugin that can be replaced by another of its type while others hold it. */
export interface Exchangeable<P extends object> {
  /** What others hold: everything asked of it is asked of the plugin that stands behind it now. */
  readonly plugin: P
  /** Puts another in its place; calls under way end with the old one, which is then let go of. */
  replace(next: P): Promise<void>
  /** Lets go of what the current one holds. */
  dispose(): Promise<void>
}

/** Makes a plugin exchangeable: what a changed `plugin_data_file` needs. */
export function exchangeable<P extends object>(first: P): Exchangeable<P> {
  let current = first
  const plugin = new Proxy({} as P, {
    get(_, property) {
      const value: unknown = Reflect.get(current, property, current)
      return typeof value === 'function' ? value.bind(current) : value
    },
    has: (_, property) => Reflect.has(current, property),
    getPrototypeOf: () => Reflect.getPrototypeOf(current),
  })
  return {
    plugin,
    async replace(next) {
      const old = current
      current = next
      await disposeOf(old)
    },
    dispose: () => disposeOf(current),
  }
}

/** Disposes a plugin, if there is something to dispose. */
export async function disposeOf(plugin: Partial<AsyncDisposable & Disposable>): Promise<void> {
  if (plugin[Symbol.asyncDispose]) await plugin[Symbol.asyncDispose]?.()
  else plugin[Symbol.dispose]?.()
}
