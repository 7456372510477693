import type { HeapProfiler, Profiler } from 'node:inspector'
import type { Frame, Profile, Sample } from './pprof.ts'

/** Looks at what runs that one profile may be made of: what keeps a long one from growing without end. */
const mostLooks = 30_000

/** Microseconds between two looks at what runs: a millisecond, and more for a profile of more than half a minute. */
export function cpuIntervalUs(durationMs: number): number {
  return Math.max(1000, Math.ceil((durationMs * 1000) / mostLooks))
}
/** Bytes between two allocations that are looked at, on average: as Go has it. */
export const heapIntervalBytes: number = 512 * 1024

/** Frames that V8 makes up and that are no work. */
const idle = new Set(['(root)', '(idle)'])

/** Where a thread's time went, by stack; what it waited is left out. */
export function cpuProfileOf(
  recorded: Profiler.Profile,
  { startMs, intervalUs }: { readonly startMs: number; readonly intervalUs: number },
): Profile {
  const { nodes, samples = [], timeDeltas = [], startTime, endTime } = recorded
  const parents = new Map<number, number>()
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id)
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const counts = new Map<number, { count: number; us: number }>()
  for (const [index, id] of samples.entries()) {
    const seen = counts.get(id) ?? { count: 0, us: 0 }
    // The time until the next sample was spent where this one was taken.
    seen.us += timeDeltas[index + 1] ?? 0
    seen.count++
    counts.set(id, seen)
  }
  const stackOf = (id: number): readonly Frame[] => {
    const stack: Frame[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame
      if (frame && !idle.has(frame.functionName)) stack.push(frame)
    }
    return stack
  }
  return {
    samples: [...counts]
      .map(([id, { count, us }]) => ({ stack: stackOf(id), values: [count, us * 1000] }))
      .filter(({ stack }) => stack.length > 0),
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    period: { type: ['cpu', 'nanoseconds'], value: intervalUs * 1000 },
    startMs,
    durationMs: (endTime - startTime) / 1000,
  }
}

/** What is on the heap, by the stack that allocated it. */
export function heapProfileOf(
  { head }: HeapProfiler.SamplingHeapProfile,
  startMs: number,
): Profile {
  const samples: Sample[] = []
  const open: (readonly [HeapProfiler.SamplingHeapProfileNode, readonly Frame[]])[] = [[head, []]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [node, above] = next
    const { callFrame, selfSize, children } = node
    const stack = callFrame.functionName === '(root)' ? above : [callFrame, ...above]
    if (selfSize > 0 && stack.length > 0) samples.push({ stack, values: [selfSize] })
    for (const child of children) open.push([child, stack])
  }
  return {
    samples,
    types: [['inuse_space', 'bytes']],
    period: { type: ['space', 'bytes'], value: heapIntervalBytes },
    startMs,
    durationMs: 0,
  }
}
