// A process that writes to a store as fast as it can and says which of its transactions were acknowledged; killed by tests.
import { writeSync } from 'node:fs'
import { systemClock } from '@mini-spire/runtime/clock'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { LevelStore } from '@mini-spire/server/store/level/level-store'
import { putEntries, testEntry } from '@mini-spire/server/store/store.test-kit'

const parallel = 16
const [directory = '', round = '0'] = process.argv.slice(2)
const store = LevelStore.create({ directory, clock: systemClock, log: silentLogger })
await store.open(() => {})
let next = 0

async function write(): Promise<never> {
  for (;;) {
    const name = `${round}-${next++}`
    const entries = ['x', 'y', 'z'].map((part) => testEntry(`${name}-${part}`))
    const [refusal] = await store.commit([putEntries(...entries)])
    if (refusal) throw refusal
    writeSync(1, `${name}\n`)
  }
}

await Promise.all(Array.from({ length: parallel }, write))
