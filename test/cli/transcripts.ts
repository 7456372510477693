import { spawn } from 'node:child_process'

/** What a command printed and how it ended. */
export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  readonly status: number | null
}

/** One command of a transcript, with what it must print. */
export interface Step extends Outcome {
  /** Arguments, separated by single spaces; `''` is an empty one. */
  readonly args: string
}

const head = /^\$ (.*)$/

/**
 * Reads a transcript: steps of `$ <arguments>`, each followed by `--- stdout`, `--- stderr` (either may be missing) and
 * `--- exit <code>`. A text that does not end its last line is followed by a line `\`.
 */
export function parseTranscript(text: string): readonly Step[] {
  const steps: Step[] = []
  let step: { args: string; stdout: string; stderr: string } | undefined
  let section: 'stdout' | 'stderr' | undefined
  for (const line of text.split('\n')) {
    const command = head.exec(line)
    const exit = /^--- exit (\d+)$/.exec(line)
    if (command && !section) step = { args: command[1] ?? '', stdout: '', stderr: '' }
    else if (step && /^--- std(out|err)$/.test(line)) {
      section = line === '--- stdout' ? 'stdout' : 'stderr'
    } else if (step && exit) {
      steps.push({ ...step, status: Number(exit[1]) })
      step = undefined
      section = undefined
    } else if (step && section && line === '\\') step[section] = step[section].slice(0, -1)
    else if (step && section) step[section] += `${line}\n`
  }
  return steps
}

/** The inverse of {@link parseTranscript}, for one step. */
export function formatStep({ args, stdout, stderr, status }: Step): string {
  const section = (name: string, text: string): string => {
    if (text === '') return ''
    return `--- ${name}\n${text}${text.endsWith('\n') ? '' : '\n\\\n'}`
  }
  return `$ ${args}\n${section('stdout', stdout)}${section('stderr', stderr)}--- exit ${status}\n`
}

/** Runs a program with the arguments of a step, in UTC. */
export function runStep(
  command: string,
  first: readonly string[],
  args: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const words = args === '' ? [] : args.split(' ').map((word) => (word === "''" ? '' : word))
  const child = spawn(command, [...first, ...words], {
    env: { PATH: process.env['PATH'], TZ: 'UTC', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ stdout, stderr, status }))
  })
}
