import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import type { ClientOf } from '@mini-spire/runtime/grpc/client'
import { FederationService } from '@mini-spire/runtime/proto/minispire/api/server/federation/v1/federation'
import { TrustDomainService } from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { FederationRelationship } from '@mini-spire/runtime/proto/spire/api/types/federationrelationship'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { serverCommand } from '../server-command.ts'
import { formatHealth } from './print-health.ts'
import { formatRelationship } from './print-relationships.ts'

/** `federation show` */
export const command: AnyCommand = serverCommand({
  name: 'federation show',
  flags: {
    trustDomain: {
      type: 'string',
      usage: 'The trust domain name of the federation relationship to show',
    },
    health: {
      type: 'bool',
      isOurs: true,
      usage:
        'If set, also shows how the fetching of its bundle goes (pretty output only); of a relationship of the configuration, that alone',
    },
  },
  async run({ flags, terminal, client, print }) {
    const { trustDomain } = flags
    if (trustDomain === '') throw new CommandError('a trust domain name is required')
    const health = flags.health ? await healthOf(() => client(FederationService), trustDomain) : ''
    const heading = `Found a federation relationship with trust domain ${trustDomain}:\n\n`
    const call = client(TrustDomainService).then((service) =>
      service.getFederationRelationship({ trustDomain, outputMask: undefined }),
    )
    let relationship: FederationRelationship
    try {
      relationship = await explain('error showing federation relationship: ', call)
    } catch (error) {
      if (health === '') throw error
      terminal.out(heading + health)
      return 0
    }
    const bytes = FederationRelationship.encode(relationship).finish()
    await print({ type: 'spire.api.types.FederationRelationship', bytes }, () => {
      terminal.out(heading + formatRelationship(relationship) + health)
    })
    return 0
  },
})

/** What the server says of the fetching; empty when nothing is fetched from there. */
async function healthOf(
  connect: () => Promise<ClientOf<typeof FederationService>>,
  trustDomain: string,
): Promise<string> {
  const { name } = TrustDomain.parse(trustDomain)
  const call = connect().then((service) => service.listFederationHealth({ trustDomain: name }))
  const { relationships } = await explain('error showing federation health: ', call)
  return relationships.map(formatHealth).join('')
}
