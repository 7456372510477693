import type { Programs } from '../kit/processes.ts'

/** One figure of the table. */
export interface Figure {
  readonly row: string
  readonly value: number
  readonly unit: 'µs CPU' | 'ms' | 'MB' | 's'
  /** More about it, such as percentiles. */
  readonly note?: string
}

/** A scenario that measures one or more rows on one pair of daemons. */
export interface Benchmark {
  readonly name: string
  run(programs: Programs, seconds: number): AsyncIterable<Figure>
}

/** A figure from a measurement of CPU per operation. */
export function cpuFigure(
  row: string,
  measured: { cpuMicrosPerOperation: number; p50Ms: number; p99Ms: number; perSecond: number },
): Figure {
  const note = `p50 ${measured.p50Ms.toFixed(2)} ms, p99 ${measured.p99Ms.toFixed(2)} ms, ${Math.round(measured.perSecond)}/s`
  return { row, value: measured.cpuMicrosPerOperation, unit: 'µs CPU', note }
}
