import { bindService, type HandlersOf, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { LogLevelControl } from '@mini-spire/runtime/log/log-control'
import { LoggerService } from '@mini-spire/runtime/proto/spire/api/server/logger/v1/logger'
import { LogLevel } from '@mini-spire/runtime/proto/spire/api/types/logger'
import type { ServerCall } from '../../authorization/caller.ts'
import { callFailure } from '../failure.ts'
import { loggerToProto, logLevelFromProto, logLevelName } from './convert.ts'
import { loggerMessages } from './messages.ts'

/** What the Logger service changes. */
export interface LoggerServiceOptions {
  readonly control: LogLevelControl
}

/** The service `spire.api.server.logger.v1.Logger`: the level of the running server's log. */
export function loggerService({ control }: LoggerServiceOptions): ServiceBinding<ServerCall> {
  const handlers: HandlersOf<typeof LoggerService, ServerCall> = {
    getLogger: (call) => {
      call.log.info('GetLogger Called')
      return loggerToProto(control)
    },
    setLogLevel: (call, { newLevel }) => {
      call.audit.addFields({ new_log_level: logLevelName(newLevel) })
      if (newLevel === LogLevel.UNSPECIFIED) {
        throw callFailure(call.log, 'invalid-argument', loggerMessages.unspecified)
      }
      const level = logLevelFromProto(newLevel)
      if (!level) throw callFailure(call.log, 'invalid-argument', loggerMessages.unsupported)
      call.log.info('SetLogLevel Called', { new_log_level: level })
      control.setLevel(level)
      return loggerToProto(control)
    },
    resetLogLevel: (call) => {
      call.log.info('ResetLogLevel Called', { launch_log_level: control.launchLevel })
      control.setLevel(control.launchLevel)
      return loggerToProto(control)
    },
  }
  return bindService(LoggerService, handlers)
}
