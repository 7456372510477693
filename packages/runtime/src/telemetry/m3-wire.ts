import type { MetricLabels } from './metrics.ts'

/** One value as M3 takes it. A histogram is a counter for each of its buckets. */
export interface M3Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
  readonly tags: MetricLabels
}

/** M3's numbers of the types. */
const types = { counter: 1, gauge: 2 } as const

/** Field headers of Thrift's compact protocol, all one above the field before: `0x10 | type`. */
const field = { i32: 0x15, i64: 0x16, double: 0x17, string: 0x18, list: 0x19, struct: 0x1c }
const structElement = 0x0c
const stop = 0

/**
 * Encodes a call of `M3.emitMetricBatchV2` in Thrift's compact protocol, one way: what fits into one datagram.
 *
 * @param commonTags tags of all metrics of the batch
 */
export function encodeM3Batch(options: {
  readonly sequence: number
  /** Since 1970. */
  readonly timeNs: bigint
  readonly metrics: readonly M3Metric[]
  readonly commonTags: MetricLabels
}): Uint8Array {
  const { sequence, timeNs, metrics, commonTags } = options
  return Buffer.concat([
    Buffer.from([0x82, 0x81]),
    varint(BigInt(sequence)),
    text('emitMetricBatchV2'),
    Buffer.from([field.struct, field.list]),
    listHeader(metrics.length),
    ...metrics.map((metric) => encodeMetric(metric, timeNs)),
    Buffer.from([field.list]),
    encodeTags(commonTags),
    Buffer.from([stop, stop]),
  ])
}

/** The bytes that a metric takes in a batch. */
export function m3MetricSize(metric: M3Metric): number {
  return encodeMetric(metric, 2n ** 62n).length
}

function encodeMetric({ name, type, value, tags }: M3Metric, timeNs: bigint): Buffer {
  const gauge = Buffer.alloc(8)
  gauge.writeDoubleLE(type === 'gauge' ? value : 0)
  const count = type === 'counter' ? BigInt(Math.trunc(value)) : 0n
  return Buffer.concat([
    Buffer.from([field.string]),
    text(name),
    Buffer.from([field.struct, field.i32]),
    zigzag(BigInt(types[type])),
    Buffer.from([field.i64]),
    zigzag(count),
    Buffer.from([field.double]),
    gauge,
    // The timer, which nothing uses, and the end of the value.
    Buffer.from([field.i64, 0, stop]),
    Buffer.from([field.i64]),
    zigzag(timeNs),
    ...(Object.keys(tags).length > 0 ? [Buffer.from([field.list]), encodeTags(tags)] : []),
    Buffer.from([stop]),
  ])
}

function encodeTags(tags: MetricLabels): Buffer {
  const entries = Object.entries(tags)
  const encoded = entries.map(([name, value]) =>
    Buffer.concat([
      Buffer.from([field.string]),
      text(name),
      Buffer.from([field.string]),
      text(value),
      Buffer.from([stop]),
    ]),
  )
  return Buffer.concat([listHeader(entries.length), ...encoded])
}

function listHeader(length: number): Buffer {
  if (length < 15) return Buffer.from([(length << 4) | structElement])
  return Buffer.concat([Buffer.from([0xf0 | structElement]), varint(BigInt(length))])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([varint(BigInt(bytes.length)), bytes])
}

function zigzag(value: bigint): Buffer {
  return varint(value >= 0n ? value * 2n : -value * 2n - 1n)
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  let left = value
  while (left > 0x7fn) {
    bytes.push(Number(left & 0x7fn) | 0x80)
    left >>= 7n
  }
  bytes.push(Number(left))
  return Buffer.from(bytes)
}
