import type { CommandEntry } from './command.ts'

const rootFlags = ['-autocomplete-install', '-autocomplete-uninstall', '-help', '-version']

/**
 * What may stand where the last word of a command line begins, as a shell asks with `complete -C`: words of commands, and
 * flags before the first of them. Flags of commands are not offered, as in SPIRE.
 *
 * @param line what was typed, the program first; `COMP_LINE` up to `COMP_POINT`
 */
export function completions(commands: readonly CommandEntry[], line: string): readonly string[] {
  const typed = line.split(/\s+/)
  const last = typed.at(-1) ?? ''
  const paths = commands.map(({ path }) => path.split(' '))
  const walked: string[] = []
  const follows = (path: readonly string[]): boolean =>
    walked.every((word, index) => path[index] === word)
  for (const word of typed.slice(1, -1)) {
    if (paths.some((path) => follows(path) && path[walked.length] === word)) walked.push(word)
  }
  if (last.startsWith('-')) {
    return walked.length === 0 ? rootFlags.filter((flag) => flag.startsWith(last)) : []
  }
  const next = paths.filter(follows).flatMap((path) => path[walked.length] ?? [])
  return [...new Set(next)].filter((word) => word.startsWith(last)).sort()
}
