import type { Clock } from '@mini-spire/runtime/clock'
import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import { PushService } from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { ServerCall } from '../../authorization/caller.ts'
import { awaitAgents, findAgents } from '../../push/await-agents.ts'
import type { PushHub } from '../../push/push-hub.ts'
import { Subscription } from '../../push/subscription.ts'
import type { Registry } from '../../registry/registry.ts'
import type { Position } from '../../store/store.ts'
import { uint64ToProto } from '../convert-integer.ts'
import { spiffeIdFromProto, spiffeIdToProto } from '../convert-spiffe-id.ts'
import { agentSteps, certificateEndMs, progressToProto } from './convert.ts'

/** The longest that an operator may wait for agents, in milliseconds. */
const maxAwaitMs = 60_000

/** The most entries that agents are looked for by at once. */
const maxEntryIds = 10_000

/** What the Push service works on. */
export interface PushServiceOptions {
  readonly hub: PushHub
  readonly registry: Pick<Registry, 'entries' | 'nodes'>
  readonly position: () => Position
  readonly clock: Clock
  /** A number in [0, 1), anew at each call. */
  readonly chance: () => number
}

/** The service `minispire.api.server.push.v1.Push`. */
export function pushService(options: PushServiceOptions): ServiceBinding<ServerCall> {
  const { hub, registry, position, clock, chance } = options
  const handlers: HandlersOf<typeof PushService, ServerCall> = {
    subscribe: (call, requests) => {
      if (call.caller.class !== 'agent') throw new ApiError('internal', 'the caller is no agent')
      const subscription = new Subscription({
        hub,
        agentId: call.caller.spiffeId.toString(),
        clock,
        chance,
        notAfterMs: certificateEndMs(call),
        signal: call.signal,
      })
      return subscription.messages(agentSteps(requests))
    },
    findAgents: async (_call, { entryIds }) => {
      if (entryIds.length > maxEntryIds)
        throw new ApiError('invalid-argument', `more than ${maxEntryIds} entry IDs`)
      const found = await findAgents({ ...registry, clock }, entryIds)
      return { agents: found.map((id) => spiffeIdToProto(SpiffeId.parse(id))) }
    },
    awaitAgents: async (call, { agents, timeoutMs }) => {
      const now = position()
      const progress = await awaitAgents({
        hub,
        position: now,
        agentIds: agents.map((id) => spiffeIdFromProto(id).toString()),
        timeoutMs: Math.min(timeoutMs, maxAwaitMs),
        clock,
        signal: call.signal,
      })
      return {
        position: { epoch: now.epoch, revision: uint64ToProto(now.revision) },
        agents: [...progress].map(([id, state]) => ({
          id: spiffeIdToProto(SpiffeId.parse(id)),
          state: progressToProto(state),
        })),
      }
    },
  }
  return bindService(PushService, handlers)
}
