import { systemClock } from '@mini-spire/runtime/clock'
import { keyManagerContract } from '@mini-spire/runtime/key-manager/key-manager.contract'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { PluginLoader } from '@mini-spire/runtime/plugin-host/plugin-loader'
import { externalTypes } from '@mini-spire/server/plugins/external/plugin-types'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goPlugins, isGoMissing } from '../kit/peers.ts'

let command = ''
const loader = new PluginLoader({
  trustDomain: 'example.org',
  hostServices: [],
  environment: {},
  clock: systemClock,
  log: silentLogger,
  chance: () => 0,
})

describe.skipIf(isGoMissing())('in another process', () => {
  beforeAll(async () => {
    command = await goPlugins()
  })
  afterAll(() => loader[Symbol.asyncDispose]())

  keyManagerContract({ describe, it, expect }, 'of a plugin', () =>
    loader.load(
      {
        type: 'KeyManager',
        name: 'held',
        isEnabled: true,
        command,
        args: ['server-key-manager'],
        checksum: '',
        data: undefined,
        dataFile: undefined,
      },
      { create: undefined, external: externalTypes.keyManager },
    ),
  )
})
