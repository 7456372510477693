import { type Clock, sleep } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { TrustBundle } from '../model/trust-bundle.ts'
import type { BundlePublisher } from '../plugins/bundle-publisher/bundle-publisher.ts'
import type { Notifier } from '../plugins/notifier/notifier.ts'
import type { AppliedChange } from '../store/store.ts'
import { OwnBundleError } from './bundle-error.ts'

/** Publishers are asked this often, also when nothing has changed: one that failed tries again. */
const publishIntervalMs = 30_000

/** Options of {@link BundleAnnouncements}. */
export interface BundleAnnouncementsOptions {
  readonly trustDomain: TrustDomain
  /** The own bundle as it is when asked; undefined before the first authority. */
  readonly bundle: () => TrustBundle | undefined
  readonly notifiers: readonly Notifier[]
  readonly publishers: readonly BundlePublisher[]
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Tells notifiers and bundle publishers of the server's own bundle.
 *
 * Every change is announced, whoever made it: this server, another one on the same store, an operator. Changes that come while
 * one is being announced are announced together.
 */
export class BundleAnnouncements {
  readonly #options: BundleAnnouncementsOptions
  #hasChanged = { notify: false, publish: false }
  readonly #wake = { notify: () => {}, publish: () => {} }

  constructor(options: BundleAnnouncementsOptions) {
    this.#options = options
  }

  /**
   * Tells the notifiers which bundle the server begins with. Changes until then are not announced to them.
   *
   * @throws {OwnBundleError} `ERR_BUNDLE_NOTIFIER_REFUSED` when one of them does not want the server to go on
   */
  async loaded(signal: AbortSignal): Promise<void> {
    const bundle = this.#options.bundle()
    this.#hasChanged.notify = false
    if (!bundle) return
    const event = 'bundle loaded'
    const failures = await this.#tell(event, (notifier) => notifier.bundleLoaded(bundle, signal))
    if (failures.length === 0) return
    throw new OwnBundleError(
      'ERR_BUNDLE_NOTIFIER_REFUSED',
      `one or more notifiers returned an error: ${failures.join('\n')}`,
    )
  }

  /** Looks whether changes of the store are about the own bundle. */
  follow(changes: readonly Pick<AppliedChange, 'kind' | 'key'>[]): void {
    const { name } = this.#options.trustDomain
    if (!changes.some(({ kind, key }) => kind === 'bundle' && key === name)) return
    this.#hasChanged = { notify: true, publish: true }
    this.#wake.notify()
    this.#wake.publish()
  }

  /** Announces until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { notifiers, publishers } = this.#options
    await Promise.all([
      notifiers.length > 0 ? this.#notify(signal) : undefined,
      publishers.length > 0 ? this.#publish(signal) : undefined,
    ])
  }

  async #notify(signal: AbortSignal): Promise<void> {
    while (await this.#changes('notify', signal)) {
      const bundle = this.#options.bundle()
      if (!bundle) continue
      const event = 'bundle updated'
      await this.#tell(event, (notifier) => notifier.bundleUpdated(bundle, signal))
    }
  }

  async #publish(signal: AbortSignal): Promise<void> {
    while (await this.#changes('publish', signal, publishIntervalMs)) {
      const bundle = this.#options.bundle()
      if (!bundle) continue
      const { publishers, log } = this.#options
      const publishing = publishers.map(async (publisher) => {
        try {
          await publisher.publish(bundle, signal)
        } catch (error) {
          if (signal.aborted) return
          const fields = { BundlePublisher: publisher.name, error: messageOf(error) }
          log
            .with({ subsystem_name: 'bundle_publishing' })
            .error('Failed to publish bundle', fields)
        }
      })
      await Promise.all(publishing)
    }
  }

  /** Tells all notifiers at once. @returns what went wrong; nothing when the server is stopping */
  async #tell(
    event: 'bundle loaded' | 'bundle updated',
    tell: (notifier: Notifier) => Promise<void>,
  ): Promise<readonly string[]> {
    const { notifiers } = this.#options
    const log = this.#options.log.with({ subsystem_name: 'ca_manager' })
    const outcomes = notifiers.map(async (notifier) => {
      const fields = { notifier: notifier.name, event }
      try {
        await tell(notifier)
        log.debug('Notifier handled event', fields)
        return []
      } catch (error) {
        const level = event === 'bundle loaded' ? 'error' : 'warning'
        const failure = messageOf(error)
        log.log(level, 'Notifier failed to handle event', { ...fields, error: failure })
        return [failure]
      }
    })
    return (await Promise.all(outcomes)).flat()
  }

  /** Waits until the bundle has changed, or time is up. @returns false when the signal has aborted */
  async #changes(
    what: 'notify' | 'publish',
    signal: AbortSignal,
    timeoutMs?: number,
  ): Promise<boolean> {
    if (!this.#hasChanged[what] && !signal.aborted) {
      const done = new AbortController()
      const ended = AbortSignal.any([signal, done.signal])
      const changed = new Promise<void>((resolve) => {
        this.#wake[what] = resolve
        signal.addEventListener('abort', () => resolve(), { once: true, signal: done.signal })
      })
      const waits = timeoutMs === undefined ? [] : [sleep(this.#options.clock, timeoutMs, ended)]
      await Promise.race([changed, ...waits])
      done.abort()
    }
    this.#hasChanged[what] = false
    return !signal.aborted
  }
}
