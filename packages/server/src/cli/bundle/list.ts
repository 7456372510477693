import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import {
  BundleService,
  ListFederatedBundlesResponse,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { serverCommand } from '../server-command.ts'
import { bundleFormat, formatBundle } from './format.ts'

const stars = '*'.repeat(40)

/** `bundle list` */
export const command: AnyCommand = serverCommand({
  name: 'bundle list',
  flags: {
    id: { type: 'string', usage: 'SPIFFE ID of the trust domain' },
    format: {
      type: 'string',
      usage:
        'The format to list federated bundles (only pretty output format supports this flag). Either "pem" or "spiffe".',
      value: 'pem',
    },
  },
  async run({ flags, terminal, client, print }) {
    const service = await client(BundleService)
    if (flags.id !== '') {
      const request = { trustDomain: flags.id, outputMask: undefined }
      const bundle = await service.getFederatedBundle(request)
      const bytes = Bundle.encode(bundle).finish()
      await print({ type: 'spire.api.types.Bundle', bytes }, () => {
        terminal.out(formatBundle(bundle, bundleFormat(flags.format)))
      })
      return 0
    }
    const request = { outputMask: undefined, pageSize: 0, pageToken: '' }
    const reply = await service.listFederatedBundles(request)
    const bytes = ListFederatedBundlesResponse.encode(reply).finish()
    await print({ type: 'spire.api.server.bundle.v1.ListFederatedBundlesResponse', bytes }, () => {
      for (const [index, bundle] of reply.bundles.entries()) {
        if (index > 0) terminal.out('\n')
        const format = bundleFormat(flags.format)
        terminal.out(`${stars}\n* ${bundle.trustDomain}\n${stars}\n`)
        terminal.out(formatBundle(bundle, format))
      }
    })
    return 0
  },
})
