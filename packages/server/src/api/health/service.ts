import {
  bindService,
  type HandlersOf,
  notImplemented,
  type ServiceBinding,
} from '@mini-spire/runtime/grpc/service'
import {
  HealthCheckResponse_ServingStatus,
  HealthService,
} from '@mini-spire/runtime/proto/grpc/health/v1/health'
import type { ServerCall } from '../../authorization/caller.ts'
import type { OwnBundle } from '../../bundle/own-bundle.ts'
import { callFailure } from '../failure.ts'
import { healthMessages } from './messages.ts'

/** What the Health service looks at. */
export interface HealthServiceOptions {
  readonly ownBundle: Pick<OwnBundle, 'get'>
}

/** The service `grpc.health.v1.Health`: the server serves when it has its own bundle. */
export function healthService({ ownBundle }: HealthServiceOptions): ServiceBinding<ServerCall> {
  const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus
  const handlers: HandlersOf<typeof HealthService, ServerCall> = {
    check: (call, { service }) => {
      if (service !== '') throw callFailure(call.log, 'invalid-argument', healthMessages.perService)
      if (ownBundle.get()) return { status: SERVING }
      call.log.warn('Health check failed', { reason: 'bundle is missing' })
      return { status: NOT_SERVING }
    },
    list: notImplemented('List'),
    watch: notImplemented('Watch'),
  }
  return bindService(HealthService, handlers)
}
