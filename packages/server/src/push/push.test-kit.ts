import { randomUUID } from 'node:crypto'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import type { AttestedNode } from '../model/attested-node.ts'
import type { RegistrationEntry } from '../model/registration-entry.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { Registry } from '../registry/registry.ts'
import { testDomain } from '../store/store.test-kit.ts'
import type { AppliedChange, Position } from '../store/store.ts'
import type { PushEncoder, SetState } from './push-encoder.ts'
import { PushHub } from './push-hub.ts'

/** A message as {@link textEncoder} writes it. */
export interface TextMessage {
  readonly kind: 'snapshot' | 'delta' | 'bundles' | 'heartbeat'
  readonly revision: number
  readonly count: number
  readonly digest: string
  readonly more: boolean
  readonly entries?: readonly string[]
  readonly removed?: readonly string[]
}

function text(
  kind: TextMessage['kind'],
  { position, count, digest }: SetState,
  more: boolean,
  rest: Partial<TextMessage> = {},
): Uint8Array {
  const hex = Buffer.from(digest).toString('hex')
  const message = { kind, revision: position.revision, count, digest: hex, more, ...rest }
  return Buffer.from(JSON.stringify(message))
}

const idsOf = (entries: readonly RegistrationEntry[]): readonly string[] =>
  entries.map(({ id }) => id)

/** Writes messages as JSON, for tests of what is pushed. */
export const textEncoder: PushEncoder = {
  snapshot: (state, entries, more) => text('snapshot', state, more, { entries: idsOf(entries) }),
  delta: (state, { changed, removedIds }, more) =>
    text('delta', state, more, { entries: idsOf(changed), removed: removedIds }),
  bundles: (state, _set, more) => text('bundles', state, more),
  heartbeat: (state) => text('heartbeat', state, false),
  bundle: ({ trustDomain, sequenceNumber }) => Buffer.from(`${trustDomain.name} ${sequenceNumber}`),
}

/** A hub over a registry that a test changes by hand, as a store would. */
export class PushScene {
  readonly clock: FakeClock
  readonly epoch: string = randomUUID()
  readonly registry: Registry
  readonly hub: PushHub
  revision = 0
  readonly #created = new Map<string, number>()

  constructor(
    encoder: PushEncoder = textEncoder,
    clock: FakeClock = new FakeClock(),
    maxEntries?: number,
  ) {
    this.clock = clock
    this.registry = new Registry({ clock })
    this.hub = new PushHub({
      trustDomain: testDomain,
      entries: this.registry.entries,
      bundles: this.registry.bundles,
      position: () => this.position(),
      encoder,
      clock,
      ...(maxEntries === undefined ? {} : { maxEntries }),
    })
  }

  position(): Position {
    return { epoch: this.epoch, revision: this.revision }
  }

  /** Commits entries; those that are there already are replaced. */
  put(...entries: readonly RegistrationEntry[]): void {
    this.#commit(entries.map((value) => ({ kind: 'entry', key: value.id, value })))
  }

  /** Commits the removal of entries. */
  drop(...ids: readonly string[]): void {
    this.#commit(ids.map((key) => ({ kind: 'entry', key, value: undefined })))
  }

  putNode(value: AttestedNode): void {
    this.#commit([{ kind: 'node', key: value.spiffeId.toString(), value }])
  }

  putBundle(name: TrustBundle['trustDomain'], sequenceNumber: number): void {
    const value: TrustBundle = {
      trustDomain: name,
      x509Authorities: [],
      jwtAuthorities: [],
      refreshHintSeconds: 0,
      sequenceNumber,
    }
    this.#commit([{ kind: 'bundle', key: name.name, value }])
  }

  /** Lets what is under way come to rest, moving time by so much. */
  async settle(ms = 50): Promise<void> {
    const stepMs = Math.max(10, ms / 20)
    for (let passed = 0; passed < ms; passed += stepMs) {
      await turns()
      this.clock.advance(stepMs)
    }
    await turns()
  }

  #commit(
    changes: readonly {
      readonly kind: AppliedChange['kind']
      readonly key: string
      readonly value: unknown
    }[],
  ): void {
    const applied = changes.map((change) => {
      this.revision++
      const name = `${change.kind} ${change.key}`
      const createdRevision = this.#created.get(name) ?? this.revision
      if (change.value === undefined) this.#created.delete(name)
      else this.#created.set(name, createdRevision)
      return { ...change, position: this.position(), createdRevision } as AppliedChange
    })
    this.registry.apply(applied)
    this.hub.changed(applied)
  }
}

/** Lets everything that waits for nothing but its turn have it. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}
