import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import {
  AwaitAgentsResponse_State,
  type SetState as SetStateMessage,
  type SubscribeRequest,
  SubscribeResponse,
} from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import type { AgentProgress } from '../../push/await-agents.ts'
import type { PushEncoder, SetState } from '../../push/push-encoder.ts'
import { PushError } from '../../push/push-error.ts'
import type { HeldState } from '../../push/set-group.ts'
import type { AgentStep } from '../../push/subscription.ts'
import { bundleToProto } from '../bundle/convert.ts'
import { int64FromProto, uint64ToProto } from '../convert-integer.ts'
import { entryToProto } from '../entry/convert.ts'

/** Writes what is pushed; entries with all their fields. */
export const pushEncoder: PushEncoder = {
  snapshot: (state, entries, more) =>
    encode(state, more, {
      $case: 'snapshot',
      snapshot: { entries: entries.map((entry) => entryToProto(entry)) },
    }),
  delta: (state, { changed, removedIds }, more) =>
    encode(state, more, {
      $case: 'delta',
      delta: {
        entries: changed.map((entry) => entryToProto(entry)),
        removedIds: [...removedIds],
      },
    }),
  bundles: (state, { bundles, digest }, more) =>
    encode(state, more, { $case: 'bundles', bundles: { bundles: [...bundles], digest } }),
  heartbeat: (state) => encode(state, false, { $case: 'heartbeat', heartbeat: {} }),
  bundle: (bundle) => Bundle.encode(bundleToProto(bundle, undefined)).finish(),
}

function encode(
  { position, count, digest }: SetState,
  more: boolean,
  content: SubscribeResponse['content'],
): Uint8Array {
  const state: SetStateMessage = {
    position: { epoch: position.epoch, revision: uint64ToProto(position.revision) },
    count: uint64ToProto(count),
    digest,
  }
  return SubscribeResponse.encode({ state, more, content }).finish()
}

/**
 * Reads what an agent says, as it is asked for.
 *
 * @throws {PushError} `ERR_PUSH_PROTOCOL` for a request that says nothing
 */
export async function* agentSteps(
  requests: AsyncIterable<SubscribeRequest>,
): AsyncGenerator<AgentStep, void> {
  for await (const { step } of requests) {
    switch (step?.$case) {
      case 'open': {
        const { held, bundlesDigest } = step.open
        yield { kind: 'open', held: held && heldFromProto(held, bundlesDigest) }
        break
      }
      case 'ack': {
        const { held } = step.ack
        if (!held) throw new PushError('ERR_PUSH_PROTOCOL', 'an acknowledgement has to say of what')
        const { position, digest } = heldFromProto(held, new Uint8Array())
        yield { kind: 'ack', revision: position.revision, digest }
        break
      }
      case undefined:
        throw new PushError('ERR_PUSH_PROTOCOL', 'the request says nothing')
      default:
        step satisfies never
    }
  }
}

function heldFromProto(
  { position, digest }: SetStateMessage,
  bundlesDigest: Uint8Array,
): HeldState {
  return {
    position: {
      epoch: position?.epoch ?? '',
      revision: int64FromProto(position?.revision ?? 0n),
    },
    digest: Buffer.from(digest).toString('hex'),
    bundlesDigest: Buffer.from(bundlesDigest).toString('hex'),
  }
}

const states: Record<AgentProgress, AwaitAgentsResponse_State> = {
  acknowledged: AwaitAgentsResponse_State.ACKNOWLEDGED,
  behind: AwaitAgentsResponse_State.BEHIND,
  'not-connected': AwaitAgentsResponse_State.NOT_CONNECTED,
}

/** How an agent stands, as the wire says it. */
export function progressToProto(progress: AgentProgress): AwaitAgentsResponse_State {
  return states[progress]
}

/** When the caller's certificate ends; never for a local caller. */
export function certificateEndMs({ peer }: CallContext): number {
  return peer.kind === 'tls' ? peer.notAfterMs : Number.POSITIVE_INFINITY
}
