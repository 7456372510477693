// Loaded before a daemon of ours (`node --import`): on SIGUSR2 it collects what is dead, and says what is left. What is
// collected may let go of more once its finalizers have run, so it is done again in another turn.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

process.on('SIGUSR2', () => {
  collect()
  setTimeout(() => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    process.stderr.write(`heap-watch ${heapUsed} ${external}\n`)
  }, 50)
})
