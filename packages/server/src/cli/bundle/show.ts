import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { serverCommand } from '../server-command.ts'
import { bundleFormat, formatBundle } from './format.ts'

/** `bundle show` */
export const command: AnyCommand = serverCommand({
  name: 'bundle show',
  flags: {
    format: {
      type: 'string',
      usage:
        'The format to show the bundle (only pretty output format supports this flag). Either "pem" or "spiffe".',
      value: 'pem',
    },
  },
  async run({ flags, terminal, client, print }) {
    const bundle = await (await client(BundleService)).getBundle({ outputMask: undefined })
    const bytes = Bundle.encode(bundle).finish()
    await print({ type: 'spire.api.types.Bundle', bytes }, () => {
      terminal.out(formatBundle(bundle, bundleFormat(flags.format)))
    })
    return 0
  },
})
