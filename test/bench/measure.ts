import { createSign, createVerify, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'

const ticksPerSecond = 100

/** CPU time a process and its threads have used, in microseconds. The kernel counts in steps of 10 ms. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6
}

/** Resident memory of a process in MB (10^6 bytes). */
export function residentMegabytes(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return (Number(match?.[1] ?? 0) * 1024) / 1e6
}

/** What running an operation many times showed. */
export interface Measurement {
  readonly operations: number
  /** CPU of the measured process per operation, µs. */
  readonly cpuMicrosPerOperation: number
  /** Wall time as the caller saw it, ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
}

type Call = (worker: number, round: number) => Promise<unknown>

/** How a measurement is made. */
export interface MeasureOptions {
  readonly workers: number
  readonly seconds: number
  /** How many operations one call stands for, such as the size of a batch. @default 1 */
  readonly operationsPerCall?: number
  /** Ends earlier, after this many calls, and starts without warming up: for calls that change what they measure. */
  readonly maxCalls?: number
}

/**
 * Runs an operation from several workers until enough CPU time has been used for the kernel's 10 ms steps not to matter.
 *
 * The daemon is warmed up for half as long before, so that the compiler's work, which a daemon does once in its life, does
 * not count as the operation's.
 */
export async function measure(
  pid: number,
  call: Call,
  options: MeasureOptions,
): Promise<Measurement> {
  const { workers, seconds, operationsPerCall = 1, maxCalls } = options
  if (maxCalls === undefined) await repeat(call, { workers, seconds: seconds / 2 })
  const cpuBefore = cpuMicros(pid)
  const started = performance.now()
  const times = await repeat(call, options)
  const elapsed = (performance.now() - started) / 1000
  const operations = times.length * operationsPerCall
  times.sort((a, b) => a - b)
  return {
    operations,
    cpuMicrosPerOperation: (cpuMicros(pid) - cpuBefore) / operations,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    perSecond: operations / elapsed,
  }
}

/** Calls from every worker, one after the other in each, and returns how long each call took, in ms. */
async function repeat(
  call: Call,
  { workers, seconds, maxCalls = Number.POSITIVE_INFINITY }: MeasureOptions,
): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + seconds * 1000
  let begun = 0
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      for (let round = 0; performance.now() < end && begun < maxCalls; round++) {
        begun++
        const before = performance.now()
        await call(worker, round)
        times.push(performance.now() - before)
      }
    }),
  )
  return times
}

/** The value below which this share of sorted values lies. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Microseconds of one P-256 signature and its verification on this machine: the unit that travels between machines. */
export function signVerifyMicros(): number {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = Buffer.alloc(200, 1)
  const once = (): void => {
    const signature = createSign('sha256').update(data).sign(privateKey)
    createVerify('sha256').update(data).verify(publicKey, signature)
  }
  for (let warm = 0; warm < 500; warm++) once()
  const rounds = 4000
  const started = process.cpuUsage()
  for (let round = 0; round < rounds; round++) once()
  const used = process.cpuUsage(started)
  return (used.user + used.system) / rounds
}
