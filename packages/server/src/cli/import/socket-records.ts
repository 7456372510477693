import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { ImportTally } from '../../import/import-report.ts'
import type { RecordKind } from '../../store/store.ts'

/** How a batch call says how one of its items ended. */
export interface ItemResult {
  readonly status: { readonly code: number; readonly message: string } | undefined
}

/** How records of one kind get from one server's API to another's. */
export interface SocketKind<Wire> {
  readonly kind: RecordKind
  readonly keyOf: (record: Wire) => string
  /** Equal exactly for records that say the same. */
  readonly encode: (record: Wire) => Uint8Array
  /** What the server to import into has. */
  readonly listOurs: () => Promise<readonly Wire[]>
  readonly listTheirs: () => AsyncIterable<Wire>
  /** Creates records; one result each, in order. */
  readonly create: (records: readonly Wire[]) => Promise<readonly ItemResult[]>
}

/** Records that are created by one call; entries of the usual size stay far under the limit of a message. */
const batchRecords = 100

/** Creates what is not there yet; what is there stays as it is. */
export async function copyRecords<Wire>(
  source: SocketKind<Wire>,
  options: {
    readonly tally: ImportTally
    readonly isDryRun: boolean
    readonly onProgress: (kind: RecordKind, read: number) => void
  },
): Promise<void> {
  const { kind, keyOf, encode } = source
  const { tally, onProgress } = options
  tally.begin(kind)
  const ours = new Map((await source.listOurs()).map((record) => [keyOf(record), record]))
  let batch: Wire[] = []
  let read = 0
  for await (const record of source.listTheirs()) {
    onProgress(kind, ++read)
    const key = keyOf(record)
    const known = ours.get(key)
    if (!known) batch.push(record)
    else if (Buffer.compare(encode(known), encode(record)) === 0) tally.unchanged(kind)
    else tally.problem({ kind, key, outcome: 'conflict', reason: keptReason })
    if (batch.length < batchRecords) continue
    await createBatch(source, batch, options)
    batch = []
  }
  if (batch.length > 0) await createBatch(source, batch, options)
}

const keptReason = 'there is another version of it here, which is kept'

async function createBatch<Wire>(
  { kind, keyOf, create }: SocketKind<Wire>,
  batch: readonly Wire[],
  { tally, isDryRun }: { readonly tally: ImportTally; readonly isDryRun: boolean },
): Promise<void> {
  if (isDryRun) return tally.created(kind, batch.length)
  const results = await create(batch)
  for (const [index, record] of batch.entries()) {
    const { code, message } = results[index]?.status ?? { code: GrpcStatus.Unknown, message: '' }
    if (code === GrpcStatus.OK) tally.created(kind, 1)
    else {
      const outcome = code === GrpcStatus.AlreadyExists ? 'conflict' : 'refused'
      tally.problem({ kind, key: keyOf(record), outcome, reason: message })
    }
  }
}
