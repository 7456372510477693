import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindService, notImplemented, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import {
  type HealthCheckRequest,
  HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '@mini-spire/runtime/proto/grpc/health/v1/health'

/**
 * The gRPC health service of the public socket.
 *
 * @param isServing whether the Workload API answers
 */
export function bindHealth(isServing: () => Promise<boolean>): ServiceBinding<CallContext> {
  return bindService(HealthService, {
    check: async (_: CallContext, { service }: HealthCheckRequest) => {
      if (service !== '')
        throw new ApiError('invalid-argument', 'per-service health is not supported')
      return { status: (await isServing()) ? ServingStatus.SERVING : ServingStatus.NOT_SERVING }
    },
    list: notImplemented('List'),
    watch: notImplemented('Watch'),
  })
}
