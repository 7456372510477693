import { describe, expect, it } from 'vitest'
import { formatTranscript, parseTranscript } from './transcripts.ts'

const text = `# why
$ spire-server a -b ''
--- stdout
one

$ no command
--- stderr
unended
\\
--- exit 1
--- ours stderr
ended
--- ours exit 0

$ not recorded

$ nothing printed
--- exit 127
`

describe('a transcript', () => {
  it('is read into steps: commands, both streams, the code, and what ours prints instead', () => {
    expect(parseTranscript(text)).toEqual([
      {
        comments: ['# why'],
        command: "spire-server a -b ''",
        expected: { stdout: 'one\n\n$ no command\n', stderr: 'unended', status: 1 },
        ours: { stdout: '', stderr: 'ended\n', status: 0 },
      },
      { comments: [], command: 'not recorded', expected: undefined, ours: undefined },
      {
        comments: [],
        command: 'nothing printed',
        expected: { stdout: '', stderr: '', status: 127 },
        ours: undefined,
      },
    ])
  })

  it('is written as it was read', () => {
    expect(formatTranscript(parseTranscript(text))).toBe(text)
  })
})
