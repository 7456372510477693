import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { plural } from '@mini-spire/runtime/cli/values'
import {
  BundleService,
  CountBundlesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { serverCommand } from '../server-command.ts'

/** `bundle count` */
export const command: AnyCommand = serverCommand({
  name: 'bundle count',
  flags: {},
  async run({ terminal, client, print }) {
    const reply = await (await client(BundleService)).countBundles({})
    const bytes = CountBundlesResponse.encode(reply).finish()
    await print({ type: 'spire.api.server.bundle.v1.CountBundlesResponse', bytes }, () => {
      terminal.out(`${plural(reply.count, 'bundle')}\n`)
    })
    return 0
  },
})
