import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { silentLogger } from '../log/logger.ts'
import { HostServices } from './host-services.ts'

it('the socket of host services is for this user only, whatever the umask [gate 15]', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'host-services-'))
  const umask = process.umask(0)
  try {
    await using served = await HostServices.serve({
      services: [],
      directory: join(folder, 'plugin'),
      clock: new FakeClock(),
      log: silentLogger,
    })
    const modes = [served.socketPath, dirname(served.socketPath)].map(
      (path) => statSync(path).mode & 0o777,
    )
    expect(modes).toEqual([0o600, 0o700])
  } finally {
    process.umask(umask)
    rmSync(folder, { recursive: true, force: true })
  }
})
