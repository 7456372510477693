import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindService, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type {
  DiscoveryRequest,
  DiscoveryResponse,
} from '@mini-spire/runtime/proto/envoy/service/discovery/v3/discovery'
import { SecretDiscoveryServiceService } from '@mini-spire/runtime/proto/envoy/service/secret/v3/sds'
import { messageOf } from '@mini-spire/sdk/errors'
import type { WorkloadCache } from '../../cache/workload-cache.ts'
import type { WorkloadView } from '../../cache/workload-view.ts'
import { watchView } from '../../identity/watch-view.ts'
import type { Callers } from '../callers.ts'
import { secretToProto } from './convert.ts'
import { validatorFor } from './convert-validator.ts'
import { mergeStreams } from './merge-streams.ts'
import { messages } from './messages.ts'
import { type DefaultNames, selectSecrets } from './select-secrets.ts'
import { SecretStream } from './service-stream.ts'

/** What the log says of a proxy that could not be attested. */
const failureLog = 'Failed to attest the workload'

/** Options of {@link SdsApi}. */
export interface SdsApiOptions {
  readonly callers: Callers
  readonly cache: WorkloadCache
  readonly requestSvids: () => void
  readonly names: DefaultNames
  /** Proxies get plain lists of roots, unless they say otherwise of themselves. */
  readonly isSpiffeValidationDisabled: boolean
  /** Eight hexadecimal digits, other ones at each call. */
  readonly nonce: () => string
}

/** Envoy's Secret Discovery Service (SDS v3): X509-SVIDs and bundles for proxies. */
export class SdsApi {
  readonly #options: SdsApiOptions

  constructor(options: SdsApiOptions) {
    this.#options = options
  }

  /** The service, for a host. */
  bind(): ServiceBinding<CallContext> {
    return bindService(SecretDiscoveryServiceService, {
      deltaSecrets: () => {
        throw new ApiError('unimplemented', messages.deltaUnimplemented)
      },
      streamSecrets: (call: CallContext, requests: AsyncIterable<DiscoveryRequest>) =>
        this.#stream(call, requests),
      fetchSecrets: (call: CallContext, request: DiscoveryRequest) => this.#fetch(call, request),
    })
  }

  async *#stream(
    call: CallContext,
    requests: AsyncIterable<DiscoveryRequest>,
  ): AsyncGenerator<DiscoveryResponse, void, undefined> {
    const { callers, nonce } = this.#options
    const set = await callers.admit(call, failureLog)
    const stream = new SecretStream({
      answer: (request, view, version) => this.#answer(request, view, version),
      nonce,
      log: call.log,
    })
    const left = new AbortController()
    const views = watchView(this.#options, set, AbortSignal.any([call.signal, left.signal]))
    try {
      for await (const merged of mergeStreams(requests, views)) {
        if (merged.from === 'end') return
        const response =
          merged.from === 'first' ? stream.ask(merged.value) : stream.update(merged.value)
        if (!response) continue
        callers.assertSame(call)
        yield response
      }
    } finally {
      left.abort()
    }
  }

  async #fetch(call: CallContext, request: DiscoveryRequest): Promise<DiscoveryResponse> {
    const { callers, cache, requestSvids } = this.#options
    const set = await callers.admit(call, failureLog)
    const view = cache.view(set)
    if (view.identities.length < view.entries.length) requestSvids()
    try {
      const response = this.#answer(request, view, { versionInfo: '', nonce: '' })
      callers.assertSame(call)
      const { resourceNames: resource_names } = request
      const count = response.resources.length
      call.log.debug('Sending FetchSecrets response', { resource_names, count })
      return response
    } catch (error) {
      call.log.error('Error building fetch secrets response', { error: messageOf(error) })
      throw error
    }
  }

  #answer(
    { node, resourceNames, typeUrl }: DiscoveryRequest,
    view: WorkloadView,
    version: { readonly versionInfo: string; readonly nonce: string },
  ): DiscoveryResponse {
    const { names, isSpiffeValidationDisabled } = this.#options
    const validator = validatorFor(node, isSpiffeValidationDisabled)
    const secrets = selectSecrets({ resourceNames, view, names, validator })
    return {
      ...version,
      typeUrl,
      resources: secrets.map((secret) => secretToProto(secret, validator)),
    }
  }
}
