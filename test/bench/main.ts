import { delimiter, dirname } from 'node:path'
import { ours, type Program, type Programs, spirePrograms } from '../kit/processes.ts'
import type { Benchmark, Figure } from './bench.ts'
import { signVerifyMicros } from './measure.ts'
import { attestation } from './rows/attestation.ts'
import { entries } from './rows/entries.ts'
import { interference } from './rows/interference.ts'
import { million, scale } from './rows/scale.ts'
import { signing } from './rows/signing.ts'
import { workload } from './rows/workload.ts'

const all: readonly Benchmark[] = [
  signing,
  attestation,
  entries,
  interference,
  workload,
  scale,
  million,
]

/** What takes many minutes, ours or SPIRE's: only when it is named. */
const slow = { ours: [million], spire: [scale, million] }

/** Runs the benchmarks named (without names all but the slow ones) and prints a table; `--json` prints the figures, `--seconds=5` sets how long
 * each takes, `--only=ours` or `--only=spire` leaves the other out. */
export async function main(args: readonly string[]): Promise<void> {
  const seconds = Number(args.find((arg) => arg.startsWith('--seconds='))?.split('=')[1] ?? 5)
  const names = args.filter((arg) => !arg.startsWith('-'))
  const chosen = (slowOnes: readonly Benchmark[]): readonly Benchmark[] =>
    all.filter(
      (bench) => names.includes(bench.name) || (names.length === 0 && !slowOnes.includes(bench)),
    )
  const unit = signVerifyMicros()
  process.stderr.write(`one P-256 sign + verify on this machine: ${unit.toFixed(1)} µs\n`)
  const only = args.find((arg) => arg.startsWith('--only='))?.split('=')[1]
  const measured =
    only === 'spire' ? [] : await runAll(installed(), 'ours', chosen(slow.ours), seconds)
  const spire = spirePrograms()
  const theirs =
    spire && only !== 'ours' ? await runAll(spire, 'SPIRE', chosen(slow.spire), seconds) : []
  if (args.includes('--json')) {
    process.stdout.write(
      `${JSON.stringify({ signVerifyMicros: unit, ours: measured, spire: theirs }, null, 2)}\n`,
    )
  } else process.stdout.write(table(measured, theirs, unit))
}

/**
 * Our programs as a shell starts them, by their first line, on the Node that runs this. Without further roots in the environment: what
 * Node reads at every start because this machine's owner likes it so is not ours to measure.
 */
function installed(): Programs {
  delete process.env['NODE_EXTRA_CA_CERTS']
  process.env['PATH'] = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  const byName = ({ args: [command = ''] }: Program): Program => ({ command, args: [] })
  return { server: byName(ours.server), agent: byName(ours.agent) }
}

async function runAll(
  programs: Programs,
  title: string,
  chosen: readonly Benchmark[],
  seconds: number,
): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const bench of chosen) {
    process.stderr.write(`${title}: ${bench.name} …\n`)
    for await (const figure of bench.run(programs, seconds)) {
      figures.push(figure)
      process.stderr.write(
        `  ${figure.row}: ${figure.value.toFixed(2)} ${figure.unit}${figure.note ? ` (${figure.note})` : ''}\n`,
      )
    }
  }
  return figures
}

function table(measured: readonly Figure[], theirs: readonly Figure[], unit: number): string {
  const lines = [
    '| Operation | Ours | in sign + verify | SPIRE | Ours / SPIRE |',
    '| --- | --- | --- | --- | --- |',
  ]
  for (const figure of measured) {
    const other = theirs.find((found) => found.row === figure.row)
    const cells = [
      figure.row,
      `${round(figure.value)} ${figure.unit}`,
      figure.unit === 'µs CPU' ? (figure.value / unit).toFixed(3) : '',
      other ? `${round(other.value)} ${other.unit}` : '',
      other ? `${(figure.value / other.value).toFixed(2)} ×` : '',
    ]
    lines.push(`| ${cells.join(' | ')} |`)
  }
  return `${lines.join('\n')}\n`
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3)
}
