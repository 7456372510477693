import { createHash } from 'node:crypto'
import type { Logger } from '@mini-spire/runtime/log/logger'
import type {
  SetState as SetStateMessage,
  SubscribeRequest,
  SubscribeResponse,
} from '@mini-spire/runtime/proto/minispire/api/server/push/v1/push'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import type { Entry } from '@mini-spire/runtime/proto/spire/api/types/entry'
import { messageOf } from '@mini-spire/sdk/errors'
import { bundleFromProto, entryFromProto } from './convert.ts'
import type { PushContent, PushedEntry, PushMessage, PushStep, SetState } from './server-api.ts'
import { ServerApiError } from './server-api-error.ts'

/** Writes what the agent says. */
export async function* pushRequests(
  steps: AsyncIterable<PushStep>,
): AsyncGenerator<SubscribeRequest, void> {
  for await (const step of steps) {
    const held = step.held && stateToProto(step.held)
    if (step.kind === 'ack') yield { step: { $case: 'ack', ack: { held } } }
    else {
      const { bundlesDigest } = step
      yield { step: { $case: 'open', open: { held, bundlesDigest } } }
    }
  }
}

function stateToProto({ epoch, revision, count, digest }: SetState): SetStateMessage {
  return { position: { epoch, revision: BigInt(revision) }, count: BigInt(count), digest }
}

/**
 * Reads what the server pushes.
 *
 * @throws {ServerApiError} `ERR_SERVER_ANSWER` for a message that says nothing, or bundles that are not what their digest says
 */
export async function* pushMessages(
  responses: AsyncIterable<SubscribeResponse>,
  log: Logger,
): AsyncGenerator<PushMessage, void> {
  for await (const { state, more, content } of responses) {
    if (!(state?.position && content)) throw unexpected('a push message that says nothing')
    const { epoch, revision } = state.position
    yield {
      state: {
        epoch,
        revision: Number(revision),
        count: Number(state.count),
        digest: state.digest,
      },
      more,
      content: contentFromProto(content, log),
    }
  }
}

function contentFromProto(
  content: NonNullable<SubscribeResponse['content']>,
  log: Logger,
): PushContent {
  switch (content.$case) {
    case 'snapshot':
      return { kind: 'snapshot', entries: entriesFrom(content.snapshot.entries, log) }
    case 'delta': {
      const { entries, removedIds } = content.delta
      return { kind: 'delta', entries: entriesFrom(entries, log), removedIds }
    }
    case 'bundles': {
      const { bundles, digest } = content.bundles
      checkBundles(bundles, digest)
      const read = bundles.map((bytes) => bundleFromProto(Bundle.decode(bytes)))
      return { kind: 'bundles', bundles: read, digest }
    }
    case 'heartbeat':
      return { kind: 'heartbeat' }
    default:
      return content satisfies never
  }
}

function entriesFrom(entries: readonly Entry[], log: Logger): readonly PushedEntry[] {
  return entries.map((wire) => {
    const revision = {
      id: wire.id,
      revisionNumber: Number(wire.revisionNumber),
      createdAtSeconds: Number(wire.createdAt),
    }
    try {
      return { ...revision, entry: entryFromProto(wire) }
    } catch (error) {
      const fields = { entry: wire.id, error: messageOf(error) }
      log.warn('Received malformed entry from SPIRE server', fields)
      return { ...revision, entry: undefined }
    }
  })
}

function checkBundles(bundles: readonly Uint8Array[], digest: Uint8Array): void {
  const hash = createHash('sha256')
  for (const bundle of bundles) {
    const length = Buffer.alloc(8)
    length.writeBigUInt64BE(BigInt(bundle.length))
    hash.update(length).update(bundle)
  }
  if (Buffer.compare(hash.digest(), digest) !== 0)
    throw unexpected('bundles that are not what their digest says')
}

function unexpected(what: string): ServerApiError {
  return new ServerApiError('ERR_SERVER_ANSWER', `unexpected ${what}`)
}
