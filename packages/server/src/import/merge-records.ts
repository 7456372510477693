import type { JwtAuthority, TrustBundle } from '../model/trust-bundle.ts'
import type { Registry } from '../registry/registry.ts'
import { BinaryWriter } from '../store/format/binary-writer.ts'
import { writeRecord } from '../store/format/record-codec.ts'
import type { Cause, Mutation, RecordKind, Records, Store } from '../store/store.ts'
import type { ImportTally } from './import-report.ts'
import type { SourceRecord } from './source-record.ts'

/** Records that are committed together. */
const chunkRecords = 500

/** What {@link mergeRecords} works with. */
export interface MergeOptions {
  readonly registry: Registry
  /** Undefined: a dry run, nothing is written. */
  readonly store: Pick<Store, 'commit'> | undefined
  readonly cause: Cause
  readonly tally: ImportTally
  /** Called before the first write. */
  readonly beforeWrite: () => Promise<void>
  readonly onProgress: (kind: RecordKind, read: number) => void
  /** Name of the trust domain whose bundle grows here while the server runs. */
  readonly ownTrustDomain: string
}

/**
 * Writes the records that are not there yet. One that is there is left as it is, whether it is the same or not: doing this
 * again, or after an interruption, changes nothing that is complete.
 */
export async function mergeRecords(
  kind: RecordKind,
  records: AsyncIterable<SourceRecord>,
  options: MergeOptions,
): Promise<void> {
  const { tally, registry } = options
  tally.begin(kind)
  const writer = new BinaryWriter()
  let chunk: Mutation[] = []
  let read = 0
  for await (const record of records) {
    const { key } = record
    read++
    if ('problem' in record) {
      tally.problem({ kind, key, outcome: 'refused', reason: record.problem })
    } else {
      const ours = findRecord(registry, record.kind, key)
      const verdict = compare(writer, record, ours, options.ownTrustDomain)
      if (verdict === 'new') chunk.push(putOf(record))
      else if (verdict === 'same') tally.unchanged(kind)
      else tally.problem({ kind, key, outcome: 'conflict', reason: verdict })
    }
    if (chunk.length >= chunkRecords) {
      await write(kind, chunk, options)
      chunk = []
    }
    options.onProgress(kind, read)
  }
  if (chunk.length > 0) await write(kind, chunk, options)
}

type Valid = Extract<SourceRecord, { readonly value: unknown }>

function putOf(record: Valid): Mutation {
  const { kind, key, value } = record
  return { op: 'put', kind, key, value, expect: 'absent' } as Mutation
}

async function write(
  kind: RecordKind,
  mutations: readonly Mutation[],
  { store, cause, tally, beforeWrite }: MergeOptions,
): Promise<void> {
  if (store) {
    await beforeWrite()
    const [refusal] = await store.commit([{ cause, mutations }])
    if (refusal) throw refusal
  }
  tally.created(kind, mutations.length)
}

function findRecord(
  registry: Registry,
  kind: RecordKind,
  key: string,
): Records[RecordKind] | undefined {
  switch (kind) {
    case 'entry':
      return registry.entries.find(key)
    case 'node':
      return registry.nodes.find(key)
    case 'bundle':
      return registry.bundles.find(key)
    case 'join-token':
      return registry.joinTokens.find(key)
    case 'ca-journal':
      return registry.journals.find(key)
    case 'federation-relationship':
      return registry.relationships.find(key)
    case 'used-token':
      return registry.usedTokens.find(key)
    default:
      return kind satisfies never
  }
}

/** `new`, `same`, or why the two do not go together. */
function compare(
  writer: BinaryWriter,
  record: Valid,
  ours: Records[RecordKind] | undefined,
  ownTrustDomain: string,
): string {
  if (ours === undefined) return 'new'
  const theirBytes = encode(writer, record.kind, record.value)
  if (theirBytes.equals(encode(writer, record.kind, ours))) return 'same'
  if (record.kind === 'bundle' && record.key === ownTrustDomain) {
    return isCovered(record.value, ours as TrustBundle)
      ? 'same'
      : 'the own bundle here lacks authorities of the source; it is kept as it is'
  }
  return 'there is another version of it here, which is kept'
}

function encode(writer: BinaryWriter, kind: RecordKind, value: Records[RecordKind]): Buffer {
  writer.reset()
  writeRecord(writer, kind, value)
  return writer.take()
}

/** Whether everything that the source trusts is trusted here too; a server that has run since has more. */
function isCovered(theirs: TrustBundle, ours: TrustBundle): boolean {
  return (
    theirs.x509Authorities.every(({ certificate }) =>
      ours.x509Authorities.some((own) => Buffer.compare(own.certificate, certificate) === 0),
    ) &&
    hasKeys(ours.jwtAuthorities, theirs.jwtAuthorities) &&
    hasKeys(ours.witAuthorities, theirs.witAuthorities)
  )
}

function hasKeys(
  ours: readonly JwtAuthority[] = [],
  theirs: readonly JwtAuthority[] = [],
): boolean {
  return theirs.every(({ keyId, publicKey }) =>
    ours.some((own) => own.keyId === keyId && Buffer.compare(own.publicKey, publicKey) === 0),
  )
}
