import { readFileSync } from 'node:fs'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import { osErrorText } from '@mini-spire/runtime/os-error'
import {
  BatchSetFederatedBundleResponse,
  BundleService,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { serverCommand } from '../server-command.ts'
import { bundleFormat } from './format.ts'
import { parseBundle } from './parse-bundle.ts'

/** `bundle set` */
export const command: AnyCommand = serverCommand({
  name: 'bundle set',
  flags: {
    id: { type: 'string', usage: 'SPIFFE ID of the trust domain' },
    path: { type: 'string', usage: 'Path to the bundle data' },
    format: {
      type: 'string',
      usage: 'The format of the bundle data. Either "pem" or "spiffe".',
      value: 'pem',
    },
  },
  async run({ flags, terminal, client, print }) {
    if (flags.id === '') throw new CommandError('id flag is required')
    const format = bundleFormat(flags.format)
    const bundle = parseBundle(readBundle(flags.path, terminal), format, flags.id)
    const service = await client(BundleService)
    const request = { bundle: [bundle], outputMask: undefined }
    const call = service.batchSetFederatedBundle(request)
    const reply = await explain('failed to set federated bundle: ', call)
    const bytes = BatchSetFederatedBundleResponse.encode(reply).finish()
    const type = 'spire.api.server.bundle.v1.BatchSetFederatedBundleResponse'
    await print({ type, bytes }, () => {
      const { code, message } = reply.results[0]?.status ?? { code: 0, message: '' }
      if (code !== 0) throw new CommandError(`failed to set federated bundle: ${message}`)
      terminal.out('bundle set.\n')
    })
    return 0
  },
})

function readBundle(path: string, terminal: Terminal): Uint8Array {
  if (path === '') return terminal.readInput()
  try {
    return readFileSync(path)
  } catch (error) {
    throw new CommandError(`unable to load bundle data: ${osErrorText('open', path, error)}`)
  }
}
