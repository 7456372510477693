import { readdirSync, readFileSync } from 'node:fs'

/** What the kernel counts in, on every Linux there is. */
const ticksPerSecond = 100
const pageBytes = 4096

/**
 * The `process_*` metrics that Prometheus' own clients show, as lines of a scrape: processor time, memory, descriptors, start.
 * What `/proc` does not tell is left out.
 *
 * @param proc where the kernel describes this process. @default /proc/self
 */
export function renderProcessMetrics(proc = '/proc/self'): string {
  const stat = readOr(`${proc}/stat`)
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  // From the third field on: state is the first of these.
  const [userTicks, systemTicks] = [fields[11], fields[12]]
  const [startTicks, virtualBytes, residentPages] = [fields[19], fields[20], fields[21]]
  const limits = readOr(`${proc}/limits`)
  return [
    metric(
      'process_cpu_seconds_total',
      'counter',
      'Total user and system CPU time spent in seconds.',
      add(userTicks, systemTicks, ticksPerSecond),
    ),
    metric(
      'process_max_fds',
      'gauge',
      'Maximum number of open file descriptors.',
      limitOf(limits, 'Max open files'),
    ),
    metric('process_open_fds', 'gauge', 'Number of open file descriptors.', countOf(`${proc}/fd`)),
    metric(
      'process_resident_memory_bytes',
      'gauge',
      'Resident memory size in bytes.',
      residentPages && residentPages * pageBytes,
    ),
    metric(
      'process_start_time_seconds',
      'gauge',
      'Start time of the process since unix epoch in seconds.',
      add(startTicks, bootSeconds() * ticksPerSecond, ticksPerSecond),
    ),
    metric('process_virtual_memory_bytes', 'gauge', 'Virtual memory size in bytes.', virtualBytes),
    metric(
      'process_virtual_memory_max_bytes',
      'gauge',
      'Maximum amount of virtual memory available in bytes.',
      limitOf(limits, 'Max address space'),
    ),
  ].join('')
}

function metric(name: string, type: string, help: string, value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return ''
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`
}

function add(a: number | undefined, b: number | undefined, unit: number): number | undefined {
  return a === undefined || b === undefined ? undefined : (a + b) / unit
}

/** A soft limit; an unlimited one is shown as Go's client shows it, as the largest number there is. */
function limitOf(limits: string, name: string): number | undefined {
  const found = new RegExp(`^${name} +(\\S+)`, 'm').exec(limits)?.[1]
  return found === 'unlimited' ? 2 ** 64 : found === undefined ? undefined : Number(found)
}

function bootSeconds(): number {
  return Number(/^btime (\d+)/m.exec(readOr('/proc/stat'))?.[1] ?? Number.NaN)
}

function countOf(directory: string): number | undefined {
  try {
    // Reading the directory takes a descriptor of its own.
    return readdirSync(directory).length - 1
  } catch {
    return undefined
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
