import { afterEach } from 'vitest'
import { fallenDaemons } from './processes.ts'

// Whoever calls a daemon that has ended only sees that nobody answers: a test that failed says what the daemon said, too.
afterEach(({ task }) => {
  if (task.result?.state !== 'fail') return
  const said = fallenDaemons()
  if (said.length > 0) throw new Error(`in this file ${said.join('\n')}`)
})
