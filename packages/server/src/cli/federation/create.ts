import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  BatchCreateFederationRelationshipResponse,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { serverCommand } from '../server-command.ts'
import { requestedRelationships } from './parse-file.ts'
import { printRelationshipResults } from './print-relationships.ts'
import { relationshipFlags } from './relationship-flags.ts'

/** `federation create` */
export const command: AnyCommand = serverCommand({
  name: 'federation create',
  flags: relationshipFlags,
  async run({ flags, terminal, client, print }) {
    const federationRelationships = requestedRelationships(flags, terminal)
    const request = { federationRelationships, outputMask: undefined }
    const call = client(TrustDomainService).then((service) =>
      service.batchCreateFederationRelationship(request),
    )
    const reply = await explain('request failed: ', call)
    const bytes = BatchCreateFederationRelationshipResponse.encode(reply).finish()
    const type = 'spire.api.server.trustdomain.v1.BatchCreateFederationRelationshipResponse'
    await print({ type, bytes }, () => {
      printRelationshipResults(reply.results, federationRelationships, 'create', terminal)
    })
    return 0
  },
})
