import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain, plural } from '@mini-spire/runtime/cli/values'
import {
  ListFederationRelationshipsResponse,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { serverCommand } from '../server-command.ts'
import { formatRelationship } from './print-relationships.ts'

/** `federation list` */
export const command: AnyCommand = serverCommand({
  name: 'federation list',
  flags: {},
  async run({ terminal, client, print }) {
    const request = { outputMask: undefined, pageSize: 0, pageToken: '' }
    const call = client(TrustDomainService).then((service) =>
      service.listFederationRelationships(request),
    )
    const reply = await explain('error listing federation relationship: ', call)
    const bytes = ListFederationRelationshipsResponse.encode(reply).finish()
    const type = 'spire.api.server.trustdomain.v1.ListFederationRelationshipsResponse'
    await print({ type, bytes }, () => {
      const { federationRelationships: relationships } = reply
      terminal.out(`Found ${plural(relationships.length, 'federation relationship')}\n`)
      for (const relationship of relationships) {
        terminal.out(`\n${formatRelationship(relationship)}`)
      }
    })
    return 0
  },
})
