import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import { TrustDomainService } from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { serverCommand } from '../server-command.ts'
import { formatRelationship } from './print-relationships.ts'

/** `federation show` */
export const command: AnyCommand = serverCommand({
  name: 'federation show',
  flags: {
    trustDomain: {
      type: 'string',
      usage: 'The trust domain name of the federation relationship to show',
    },
  },
  async run({ flags, terminal, client, print }) {
    const { trustDomain } = flags
    if (trustDomain === '') throw new CommandError('a trust domain name is required')
    const service = await client(TrustDomainService)
    const call = service.getFederationRelationship({ trustDomain, outputMask: undefined })
    const relationship = await explain('error showing federation relationship: ', call)
    const bytes = FederationRelationship.encode(relationship).finish()
    await print({ type: 'spire.api.types.FederationRelationship', bytes }, () => {
      terminal.out(`Found a federation relationship with trust domain ${trustDomain}:\n\n`)
      terminal.out(formatRelationship(relationship))
    })
    return 0
  },
})
