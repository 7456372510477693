import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { explain } from '@mini-spire/runtime/cli/values'
import {
  BatchUpdateFederationRelationshipResponse,
  TrustDomainService,
} from '@mini-spire/runtime/proto/spire/api/server/trustdomain/v1/trustdomain'
import { serverCommand } from '../server-command.ts'
import { requestedRelationships } from './parse-file.ts'
import { printRelationshipResults } from './print-relationships.ts'
import { relationshipFlags } from './relationship-flags.ts'

/** `federation update` */
export const command: AnyCommand = serverCommand({
  name: 'federation update',
  flags: relationshipFlags,
  async run({ flags, terminal, client, print }) {
    const federationRelationships = requestedRelationships(flags, terminal)
    const request = { federationRelationships, inputMask: undefined, outputMask: undefined }
    const call = client(TrustDomainService).then((service) =>
      service.batchUpdateFederationRelationship(request),
    )
    const reply = await explain('request failed: ', call)
    const bytes = BatchUpdateFederationRelationshipResponse.encode(reply).finish()
    const type = 'spire.api.server.trustdomain.v1.BatchUpdateFederationRelationshipResponse'
    await print({ type, bytes }, () => {
      printRelationshipResults(reply.results, federationRelationships, 'update', terminal)
    })
    return 0
  },
})
