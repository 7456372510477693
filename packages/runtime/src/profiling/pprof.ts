import { gzipSync } from 'node:zlib'
import { BinaryWriter } from '@bufbuild/protobuf/wire'

/** One frame of a stack, as V8 names it. */
export interface Frame {
  readonly functionName: string
  readonly url: string
  /** From 0. */
  readonly lineNumber: number
}

/** What was measured at one stack. */
export interface Sample {
  /** Innermost first. */
  readonly stack: readonly Frame[]
  readonly values: readonly number[]
}

/** A kind of value and its unit, such as `cpu` in `nanoseconds`. */
export type ValueType = readonly [type: string, unit: string]

/** A profile, whatever it measures. */
export interface Profile {
  readonly samples: readonly Sample[]
  /** One for each value of a sample; the last is shown unless another is asked for. */
  readonly types: readonly ValueType[]
  readonly period: { readonly type: ValueType; readonly value: number }
  readonly startMs: number
  readonly durationMs: number
}

// Field numbers of pprof's profile.proto.
const profileField = {
  sampleType: 1,
  sample: 2,
  location: 4,
  function: 5,
  string: 6,
  timeNanos: 9,
  durationNanos: 10,
  periodType: 11,
  period: 12,
} as const

/** A profile as `go tool pprof` and everything else that reads pprof's format takes it: protobuf, gzipped. */
export function encodePprof(profile: Profile): Uint8Array {
  return gzipSync(new PprofEncoder().encode(profile))
}

class PprofEncoder {
  readonly #out = new BinaryWriter()
  // The first string is the empty one, by definition.
  readonly #strings = new Map<string, number>([['', 0]])
  readonly #functions = new Map<string, number>()
  readonly #locations = new Map<string, number>()

  encode({ samples, types, period, startMs, durationMs }: Profile): Uint8Array {
    for (const type of types) this.#valueType(profileField.sampleType, type)
    for (const sample of samples) this.#sample(sample)
    this.#number(profileField.timeNanos, BigInt(Math.round(startMs)) * 1_000_000n)
    this.#number(profileField.durationNanos, BigInt(Math.round(durationMs * 1e6)))
    this.#valueType(profileField.periodType, period.type)
    this.#number(profileField.period, BigInt(Math.round(period.value)))
    for (const text of this.#strings.keys()) {
      this.#out.tag(profileField.string, 2).string(text)
    }
    return this.#out.finish()
  }

  #sample({ stack, values }: Sample): void {
    const locations = stack.map((frame) => this.#location(frame))
    this.#out.tag(profileField.sample, 2).fork()
    this.#out.tag(1, 2).fork()
    for (const id of locations) this.#out.uint64(id)
    this.#out.join().tag(2, 2).fork()
    for (const value of values) this.#out.int64(Math.round(value))
    this.#out.join().join()
  }

  #location(frame: Frame): number {
    const functionId = this.#function(frame)
    const line = frame.lineNumber + 1
    return idOf(this.#locations, `${functionId} ${line}`, (id) => {
      this.#out.tag(profileField.location, 2).fork().tag(1, 0).uint64(id)
      this.#out.tag(4, 2).fork().tag(1, 0).uint64(functionId)
      this.#out.tag(2, 0).int64(line).join().join()
    })
  }

  #function({ functionName, url }: Frame): number {
    const name = functionName === '' ? '(anonymous)' : functionName
    return idOf(this.#functions, `${name} ${url}`, (id) => {
      const [nameId, fileId] = [this.#string(name), this.#string(url)]
      this.#out.tag(profileField.function, 2).fork().tag(1, 0).uint64(id)
      this.#out.tag(2, 0).int64(nameId).tag(4, 0).int64(fileId).join()
    })
  }

  #valueType(field: number, [type, unit]: ValueType): void {
    const [typeId, unitId] = [this.#string(type), this.#string(unit)]
    this.#out.tag(field, 2).fork().tag(1, 0).int64(typeId).tag(2, 0).int64(unitId).join()
  }

  #number(field: number, value: bigint): void {
    this.#out.tag(field, 0).int64(value)
  }

  #string(text: string): number {
    const known = this.#strings.get(text)
    if (known !== undefined) return known
    const index = this.#strings.size
    this.#strings.set(text, index)
    return index
  }
}

/** The number of a thing, counted from 1; one that is new is written first. */
function idOf(known: Map<string, number>, key: string, write: (id: number) => void): number {
  const found = known.get(key)
  if (found !== undefined) return found
  const id = known.size + 1
  known.set(key, id)
  write(id)
  return id
}
