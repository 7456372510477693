import type { PluginSource } from '@mini-spire/runtime/plugin-host/plugin-loader'
import { credentialComposerContract } from '@mini-spire/server/plugins/credential-composer/credential-composer.contract'
import { externalTypes } from '@mini-spire/server/plugins/external/plugin-types'
import { upstreamAuthorityContract } from '@mini-spire/server/plugins/upstream-authority/upstream-authority.contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goPlugins, isGoMissing } from '../kit/peers.ts'
import { openPluginLoader } from '../kit/plugin-loader.ts'

let command = ''
const loader = openPluginLoader()
const tools = { describe, it, expect }

/** A plugin of SPIRE's SDK, anew each time. */
function load<P extends object>(
  type: string,
  how: string,
  external: PluginSource<P>['external'],
): Promise<P> {
  const none = { checksum: '', data: undefined, dataFile: undefined }
  const config = { type, name: how, isEnabled: true, command, args: [how], ...none }
  return loader.load(config, { create: undefined, external })
}

describe.skipIf(isGoMissing())(
  'what is asked of built-in plugins, a plugin of SPIRE’s SDK does',
  () => {
    beforeAll(async () => {
      command = await goPlugins()
    })
    afterAll(() => loader[Symbol.asyncDispose]())

    upstreamAuthorityContract(tools, 'upstream-authority', async () => ({
      authority: await load(
        'UpstreamAuthority',
        'upstream-authority',
        externalTypes.upstreamAuthority,
      ),
      now: new Date(),
    }))

    credentialComposerContract(tools, 'credential-composer', () =>
      load('CredentialComposer', 'credential-composer', externalTypes.credentialComposer),
    )
  },
)
