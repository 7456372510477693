import { keyManagerContract } from '@mini-spire/runtime/key-manager/key-manager.contract'
import { externalTypes } from '@mini-spire/server/plugins/external/plugin-types'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goPlugins, isGoMissing } from '../kit/peers.ts'
import { openPluginLoader } from '../kit/plugin-loader.ts'

let command = ''
const loader = openPluginLoader()

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
