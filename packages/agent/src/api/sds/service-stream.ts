import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Node } from '@mini-spire/runtime/proto/envoy/config/core/v3/base'
import type {
  DiscoveryRequest,
  DiscoveryResponse,
} from '@mini-spire/runtime/proto/envoy/service/discovery/v3/discovery'
import { messageOf } from '@mini-spire/sdk/errors'
import type { WorkloadView } from '../../cache/workload-view.ts'

/** Options of {@link SecretStream}. */
export interface SecretStreamOptions {
  /** @throws {ApiError} */
  readonly answer: (
    request: DiscoveryRequest,
    view: WorkloadView,
    version: { readonly versionInfo: string; readonly nonce: string },
  ) => DiscoveryResponse
  /** Eight hexadecimal digits, other ones at each call. */
  readonly nonce: () => string
  readonly log: Logger
}

/**
 * The state of one discovery stream (xDS, state of the world): which version was sent, under which nonce, and what was asked for
 * last. A request is answered when it is the first or asks for other names; everything else waits for what is new.
 */
export class SecretStream {
  readonly #options: SecretStreamOptions
  #version = 0
  #view: WorkloadView | undefined
  #request: DiscoveryRequest | undefined
  #sentNonce = ''
  /** As the proxy described itself last; it does so once. */
  #node: Node | undefined

  constructor(options: SecretStreamOptions) {
    this.#options = options
  }

  /** Takes in what the proxy said; returns what it is to be sent, if anything. */
  ask(asked: DiscoveryRequest): DiscoveryResponse | undefined {
    const { log } = this.#options
    const { resourceNames, versionInfo, responseNonce, errorDetail } = asked
    log.debug('Received StreamSecrets request', {
      resource_names: resourceNames,
      version_info: versionInfo,
      nonce: responseNonce,
    })
    if (errorDetail) {
      log.error('Envoy reported errors applying secrets', {
        resource_names: resourceNames,
        error: errorDetail.message,
      })
    }
    if (this.#sentNonce !== '') {
      if (responseNonce !== this.#sentNonce) {
        log.warn('Received unexpected nonce; ignoring request', {
          nonce: responseNonce,
          expect: this.#sentNonce,
        })
        return undefined
      }
      if (versionInfo !== String(this.#version)) {
        // Names that were not wanted before may be in it all the same.
        log.error('Client rejected expected version and rolled back', {
          version_info: versionInfo,
          expect: String(this.#version),
        })
      }
    }
    this.#node = asked.node ?? this.#node
    const before = this.#request
    this.#request = { ...asked, node: this.#node }
    const isNew = before === undefined || hasChanged(before.resourceNames, resourceNames)
    return isNew ? this.#answer() : undefined
  }

  /** Takes in what the workload may have now; returns what it is to be sent, if anything. */
  update(view: WorkloadView): DiscoveryResponse | undefined {
    this.#view = view
    this.#version++
    return this.#answer()
  }

  #answer(): DiscoveryResponse | undefined {
    const { answer, nonce, log } = this.#options
    if (!this.#request || !this.#view) return undefined
    try {
      const version = { versionInfo: String(this.#version), nonce: nonce() }
      const response = answer(this.#request, this.#view, version)
      log.debug('Sending StreamSecrets response', {
        version_info: response.versionInfo,
        nonce: response.nonce,
        count: response.resources.length,
      })
      this.#sentNonce = response.nonce
      return response
    } catch (error) {
      log.error('Error building stream secrets response', { error: messageOf(error) })
      throw error
    }
  }
}

function hasChanged(before: readonly string[], after: readonly string[]): boolean {
  if (before.length !== after.length) return true
  const known = new Set(before)
  return after.some((name) => !known.has(name))
}
