import type { Finished } from '../kit/processes.ts'

/** One command line of a transcript, with what SPIRE's programs print and, where ours differ on purpose, what ours do. */
export interface Step {
  /** Lines that begin with `#`, right above the command: why it is there, or why ours differs. */
  readonly comments: readonly string[]
  /** As a shell reads it. */
  readonly command: string
  /** What SPIRE's programs print, normalised; `undefined` until it was recorded. */
  readonly expected: Finished | undefined
  /** What ours prints instead. */
  readonly ours: Finished | undefined
}

type Stream = 'stdout' | 'stderr'
interface Draft {
  stdout: string
  stderr: string
  status: number | null
}
interface OpenStep {
  readonly comments: readonly string[]
  readonly command: string
  readonly drafts: { spire?: Draft; ours?: Draft }
}

const marker = /^--- (ours )?(?:(stdout|stderr)|exit (\d+))$/

/**
 * Reads a transcript: steps of `$ <command line>`, each followed by `--- stdout`, `--- stderr` (either may be missing) and
 * `--- exit <code>`; a second group `--- ours …` stands where our programs differ on purpose. A text that does not end
 * its last line is followed by a line `\`. A step that nothing follows was not recorded yet.
 */
export function parseTranscript(text: string): readonly Step[] {
  const steps: OpenStep[] = []
  let comments: string[] = []
  let section: { readonly draft: Draft; readonly stream: Stream } | undefined
  for (const line of text.split('\n')) {
    const found = marker.exec(line)
    const step = steps.at(-1)
    if (found && step) section = enter(step, found)
    else if (section && line === '\\') {
      section.draft[section.stream] = section.draft[section.stream].slice(0, -1)
    } else if (section) section.draft[section.stream] += `${line}\n`
    else if (line.startsWith('#')) comments.push(line)
    else if (line.startsWith('$ ')) {
      steps.push({ comments, command: line.slice(2), drafts: {} })
      comments = []
    }
  }
  return steps.map(({ comments: above, command, drafts }) => ({
    comments: above,
    command,
    expected: drafts.spire,
    ours: drafts.ours,
  }))
}

function enter(
  step: OpenStep,
  [, ours, stream, status]: RegExpExecArray,
): { readonly draft: Draft; readonly stream: Stream } | undefined {
  const side = ours === undefined ? 'spire' : 'ours'
  const draft = step.drafts[side] ?? { stdout: '', stderr: '', status: null }
  step.drafts[side] = draft
  if (status !== undefined) draft.status = Number(status)
  return stream === 'stdout' || stream === 'stderr' ? { draft, stream } : undefined
}

/** The inverse of {@link parseTranscript}. */
export function formatTranscript(steps: readonly Step[]): string {
  return steps
    .map(({ comments, command, expected, ours }) =>
      [
        ...comments.map((comment) => `${comment}\n`),
        `$ ${command}\n`,
        expected ? formatSide('', expected) : '',
        ours ? formatSide('ours ', ours) : '',
      ].join(''),
    )
    .join('\n')
}

function formatSide(side: string, { stdout, stderr, status }: Finished): string {
  const section = (name: Stream, text: string): string => {
    if (text === '') return ''
    return `--- ${side}${name}\n${text}${text.endsWith('\n') ? '' : '\n\\\n'}`
  }
  return `${section('stdout', stdout)}${section('stderr', stderr)}--- ${side}exit ${status}\n`
}
