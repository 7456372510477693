import type { AnyCommand, CommandEntry } from './command.ts'
import { completions } from './complete.ts'
import { usageText } from './flags.ts'
import type { Terminal } from './terminal.ts'

/** A program: its name in help, its version, its commands. */
export interface Program {
  readonly name: string
  readonly version: string
  readonly commands: readonly CommandEntry[]
}

/**
 * Finds the command that the arguments name, and runs it. Help and the version go to standard error, as in SPIRE.
 *
 * @returns the exit code: 127 for a command that there is not, 1 for a group, else the command's own
 */
export async function dispatch(
  program: Program,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const line = terminal.environment['COMP_LINE']
  if (line) {
    const typed = line.slice(0, Number(terminal.environment['COMP_POINT']) || undefined)
    for (const word of completions(program.commands, typed)) terminal.out(`${word}\n`)
    return 0
  }
  const { words, rest, before } = splitArguments(program, args)
  const isHelp = asksForHelp(args)
  if (before.some(isVersionFlag)) {
    terminal.err(`${program.version}\n`)
    return 0
  }
  if (before.some((flag) => /^--?autocomplete-(un)?install$/.test(flag))) {
    terminal.err(`complete -C "$(command -v ${program.name})" ${program.name}\n`)
    return 0
  }
  const first = words[0]
  if (first === undefined || !isPath(program, first) || first.includes(' ')) {
    terminal.err(rootHelp(program))
    return isHelp && first === undefined ? 0 : 127
  }
  const path = words.join(' ')
  const entry = program.commands.find((candidate) => candidate.path === path)
  if (!entry) {
    await printGroupHelp(program, path, terminal)
    return isHelp ? 0 : 1
  }
  const command = await entry.load()
  if (isHelp) {
    await printCommandHelp(program, entry, command, terminal)
    return 0
  }
  if (before.length > 0) {
    terminal.err(
      'Invalid flags before the subcommand. If these flags are for\nthe subcommand, please put them after the subcommand.\n\n',
    )
    await printCommandHelp(program, entry, command, terminal)
    return 1
  }
  return command.run(rest, terminal)
}

interface SplitArguments {
  /** Flags before the first word. */
  readonly before: readonly string[]
  /** The longest command or group that the words name; one unknown word if they name none. */
  readonly words: readonly string[]
  readonly rest: readonly string[]
}

function splitArguments(program: Program, args: readonly string[]): SplitArguments {
  const end = args.indexOf('--')
  const start = (end < 0 ? args : args.slice(0, end)).findIndex(
    (argument) => argument !== '' && !argument.startsWith('-'),
  )
  const before = (start < 0 ? args : args.slice(0, start)).filter((argument) => argument !== '')
  if (start < 0) return { before, words: [], rest: [] }
  const after = args.slice(start)
  const last = after.findIndex((word) => word === '' || word.startsWith('-') || word.includes(' '))
  const candidates = last < 0 ? after : after.slice(0, last)
  for (let length = candidates.length; length > 0; length--) {
    const words = candidates.slice(0, length)
    if (isPath(program, words.join(' '))) {
      return { before, words, rest: after.slice(length) }
    }
  }
  return { before, words: after.slice(0, 1), rest: after.slice(1) }
}

function isPath(program: Program, path: string): boolean {
  return program.commands.some((entry) => entry.path === path || entry.path.startsWith(`${path} `))
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  const seen = end < 0 ? args : args.slice(0, end)
  return seen.some((argument) => ['-h', '-help', '--help'].includes(argument))
}

function isVersionFlag(argument: string): boolean {
  return ['-v', '-version', '--version'].includes(argument)
}

function rootHelp(program: Program): string {
  const words = [...new Set(program.commands.map((entry) => entry.path.split(' ')[0] ?? ''))].sort()
  const width = Math.max(...words.map((word) => word.length))
  const lines = words.map((word) => {
    const synopsis = program.commands.find((entry) => entry.path === word)?.synopsis ?? ''
    return `    ${word.padEnd(width)}    ${synopsis}\n`
  })
  return `Usage: ${program.name} [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n${lines.join('')}\n`
}

/** The paths one word longer than this one, commands and groups. */
function childrenOf(program: Program, path: string): readonly string[] {
  const depth = path.split(' ').length + 1
  const paths = program.commands
    .filter((entry) => entry.path.startsWith(`${path} `))
    .map((entry) => entry.path.split(' ').slice(0, depth).join(' '))
  return [...new Set(paths)].sort()
}

async function printGroupHelp(program: Program, path: string, terminal: Terminal): Promise<void> {
  await printSubcommands(
    program,
    path,
    'This command is accessed by using one of the subcommands below.',
    terminal,
  )
}

async function printCommandHelp(
  program: Program,
  entry: CommandEntry,
  command: AnyCommand,
  terminal: Terminal,
): Promise<void> {
  terminal.err(usageText(command.name, command.flags))
  if (childrenOf(program, entry.path).length === 0) terminal.err(`${command.afterHelp}\n`)
  else await printSubcommands(program, entry.path, command.afterHelp, terminal)
}

/** The help of each child, then the text of the parent, then the list of the children. */
async function printSubcommands(
  program: Program,
  path: string,
  text: string,
  terminal: Terminal,
): Promise<void> {
  const children = childrenOf(program, path)
  const names = children.map((child) => child.split(' ').at(-1) ?? '')
  const width = Math.max(...names.map((name) => name.length))
  const lines: string[] = []
  for (const [index, child] of children.entries()) {
    const entry = program.commands.find((candidate) => candidate.path === child)
    if (entry) {
      const command = await entry.load()
      terminal.err(usageText(command.name, command.flags))
    }
    lines.push(`    ${(names[index] ?? '').padEnd(width)}    ${entry?.synopsis ?? ''}\n`)
  }
  terminal.err(`${text}\n\nSubcommands:\n${lines.join('')}`)
}
