import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import {
  BatchDeleteFederationRelationshipResponse,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { serverCommand } from '../server-command.ts'

/** `federation delete` */
export const command: AnyCommand = serverCommand({
  name: 'federation delete',
  flags: { id: { type: 'string', usage: 'SPIFFE ID of the trust domain' } },
  async run({ flags, terminal, client, print }) {
    if (flags.id === '') throw new CommandError('id is required')
    const call = client(TrustDomainService).then((service) =>
      service.batchDeleteFederationRelationship({ trustDomains: [flags.id] }),
    )
    const reply = await explain('failed to delete federation relationship: ', call)
    const bytes = BatchDeleteFederationRelationshipResponse.encode(reply).finish()
    const type = 'spire.api.server.trustdomain.v1.BatchDeleteFederationRelationshipResponse'
    await print({ type, bytes }, () => {
      const [result] = reply.results
      const { code, message } = result?.status ?? { code: 0, message: '' }
      if (code !== 0) {
        const name = quoteGo(result?.trustDomain ?? '')
        throw new CommandError(`failed to delete federation relationship ${name}: ${message}`)
      }
      terminal.out('federation relationship deleted.\n')
    })
    return 0
  },
})
