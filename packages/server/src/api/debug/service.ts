import type { Clock } from '@mini-spire/runtime/clock'
import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  DebugService,
  type GetInfoResponse,
  type GetInfoResponse_Cert,
} from '@mini-spire/runtime/proto/spire/api/server/debug/v1/debug'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { type Certificate, parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import type { ServerCall } from '../../authorization/caller.ts'
import type { OwnBundle } from '../../bundle/own-bundle.ts'
import type { Registry } from '../../registry/registry.ts'
import { int64ToProto } from '../convert-integer.ts'
import { spiffeIdToProto } from '../convert-spiffe-id.ts'
import { callFailure } from '../failure.ts'
import { debugMessages } from './messages.ts'
import { subjectText } from './subject-text.ts'

/** What the Debug service tells about. */
export interface DebugServiceOptions {
  readonly registry: Pick<Registry, 'entries' | 'nodes' | 'bundles'>
  readonly ownBundle: Pick<OwnBundle, 'get'>
  /** The chain that the server shows its clients: DER, leaf first. */
  readonly serverChain: () => readonly Uint8Array[]
  readonly clock: Clock
}

/** How long an answer is given again, uptime included. */
const answerTtlMs = 5000

/** The service `spire.api.server.debug.v1.Debug`. Uptime counts from here. */
export function debugService(options: DebugServiceOptions): ServiceBinding<ServerCall> {
  const { clock } = options
  const startedAtMs = clock.nowMs()
  let last: { readonly answer: GetInfoResponse; readonly madeAtMs: number } | undefined
  const handlers: HandlersOf<typeof DebugService, ServerCall> = {
    getInfo: (call) => {
      const nowMs = clock.nowMs()
      if (last === undefined || nowMs - last.madeAtMs >= answerTtlMs) {
        last = { answer: makeAnswer(options, call, nowMs - startedAtMs), madeAtMs: nowMs }
      }
      return last.answer
    },
  }
  return bindService(DebugService, handlers)
}

function makeAnswer(
  options: DebugServiceOptions,
  call: ServerCall,
  uptimeMs: number,
): GetInfoResponse {
  const { entries, nodes, bundles } = options.registry
  return {
    agentsCount: nodes.count(),
    entriesCount: entries.count(),
    federatedBundlesCount: bundles.count(),
    svidChain: verifiedChain(options, call).map(certificateToProto),
    uptime: Math.floor(uptimeMs / 1000),
  }
}

function verifiedChain(options: DebugServiceOptions, call: ServerCall): readonly Certificate[] {
  const bundle = options.ownBundle.get()
  if (!bundle) throw callFailure(call.log, 'not-found', debugMessages.noBundle)
  const reading = <Value>(failed: string, read: () => Value): Value => {
    try {
      return read()
    } catch (error) {
      throw callFailure(call.log, 'internal', failed, error)
    }
  }
  const roots = reading(debugMessages.bundleUnreadable, () =>
    bundle.x509Authorities.map(({ certificate }) => parseCertificate(certificate)),
  )
  return reading(debugMessages.notVerified, () => {
    const chain = options.serverChain().map(parseCertificate)
    return verifyChain({ chain, roots, now: options.clock.now() })
  })
}

function certificateToProto(certificate: Certificate): GetInfoResponse_Cert {
  const id = idOf(certificate)
  return {
    id: id && spiffeIdToProto(id),
    expiresAt: int64ToProto(Math.floor(certificate.notAfter.getTime() / 1000)),
    subject: subjectText(certificate.subjectRaw),
  }
}

/** The certificate's SPIFFE ID; undefined when it has none, as roots of upstream authorities have not. */
function idOf({ uriSans }: Certificate): SpiffeId | undefined {
  const [uri, ...others] = uriSans
  if (uri === undefined || others.length > 0) return undefined
  try {
    return SpiffeId.parse(uri)
  } catch {
    return undefined
  }
}
