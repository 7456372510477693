// `npm test`: every suite that this machine can run.
import { spawnSync } from 'node:child_process'

const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'unit', '--project', 'tidy'], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
