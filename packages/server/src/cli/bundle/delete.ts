import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import {
  BatchDeleteFederatedBundleResponse,
  BundleService,
  BatchDeleteFederatedBundleRequest_Mode as Mode,
} from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { serverCommand } from '../server-command.ts'

/** `bundle delete` */
export const command: AnyCommand = serverCommand({
  name: 'bundle delete',
  flags: {
    id: { type: 'string', usage: 'SPIFFE ID of the trust domain' },
    mode: {
      type: 'string',
      usage: 'Deletion mode: one of restrict, delete, or dissociate',
      value: 'restrict',
    },
  },
  async run({ flags, terminal, client, print }) {
    if (flags.id === '') throw new CommandError('id is required')
    const mode = modeOf(flags.mode)
    const call = client(BundleService).then((service) =>
      service.batchDeleteFederatedBundle({ trustDomains: [flags.id], mode }),
    )
    const reply = await explain('failed to delete federated bundle: ', call)
    const bytes = BatchDeleteFederatedBundleResponse.encode(reply).finish()
    const type = 'spire.api.server.bundle.v1.BatchDeleteFederatedBundleResponse'
    await print({ type, bytes }, () => {
      const [result] = reply.results
      const { code, message } = result?.status ?? { code: 0, message: '' }
      if (code !== 0) {
        const name = quoteGo(result?.trustDomain ?? '')
        throw new CommandError(`failed to delete federated bundle ${name}: ${message}`)
      }
      terminal.out('bundle deleted.\n')
    })
    return 0
  },
})

function modeOf(text: string): Mode {
  switch (text) {
    case '':
    case 'restrict':
      return Mode.RESTRICT
    case 'delete':
      return Mode.DELETE
    case 'dissociate':
      return Mode.DISSOCIATE
    default:
      throw new CommandError(`unsupported mode ${quoteGo(text)}`)
  }
}
