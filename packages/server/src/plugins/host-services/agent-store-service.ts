import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import { bindService } from '@mini-spire/runtime/grpc/service'
import type { HostService } from '@mini-spire/runtime/plugin-host/host-services'
import { AgentStoreService } from '@mini-spire/runtime/proto/spire/hostservice/server/agentstore/v1/agentstore'

/**
 * Tells plugins which agents are attested.
 *
 * @param isAttested undefined until the server has its records: plugins that ask meanwhile are refused
 */
export function agentStoreService(
  isAttested: () => ((agentId: string) => boolean) | undefined,
): HostService {
  const binding = bindService(AgentStoreService, {
    getAgentInfo: (_, { agentId }) => {
      const find = isAttested()
      if (!find) {
        const text = 'AgentStore host service has not been initialized'
        throw new ApiError('failed-precondition', text)
      }
      if (!find(agentId)) throw new ApiError('not-found', 'no such agent')
      return { info: { agentId } }
    },
  })
  return { name: 'spire.hostservice.server.agentstore.v1.AgentStore', binding }
}
