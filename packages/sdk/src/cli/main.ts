import { explain, readFlags, UsageError } from './arguments.ts'
import { commands } from './commands.ts'

const program = 'mini-spire-credentials'
/** Programs that wait for credentials wait about a minute at most. */
const timeoutMs = 45_000

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code
})

async function main([name = '', ...args]: readonly string[]): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command || args.includes('--help')) {
    const isAsked = name === '--help' || command !== undefined
    const output = isAsked ? process.stdout : process.stderr
    output.write(command ? helpOf(name) : help())
    return isAsked ? 0 : 2
  }
  const say = (message: string): void => void process.stderr.write(`${program}: ${message}\n`)
  try {
    const signal = endingOf(name)
    const context = { environment: process.env, signal, report: say }
    const printed = await command.run(readFlags(command.flags, args), context)
    if (printed !== '') process.stdout.write(`${printed}\n`)
    return 0
  } catch (error) {
    say(explain(error))
    return error instanceof UsageError ? 2 : 1
  }
}

/** A command that answers has its time; one that keeps something is ended by a signal. */
function endingOf(name: string): AbortSignal {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => ending.abort(new Error('stopped')))
  if (name === 'token-file') return ending.signal
  return AbortSignal.any([ending.signal, AbortSignal.timeout(timeoutMs)])
}

function help(): string {
  const lines = Object.entries(commands).map(([name, { text }]) => `  ${name.padEnd(24)}${text}`)
  return `Usage: ${program} <command> [flags]\n\n${lines.join('\n')}\n\n<command> --help lists its flags.\n`
}

function helpOf(name: string): string {
  const flags = Object.entries(commands[name]?.flags ?? {}).map(
    ([flag, { text, needed }]) => `  --${flag.padEnd(20)}${text}${needed ? ' (needed)' : ''}`,
  )
  return `Usage: ${program} ${name} [flags]\n\n${flags.join('\n')}\n`
}
