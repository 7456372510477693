import { ApiError } from '@mini-spire/runtime/grpc/api-error'
import type { CallContext } from '@mini-spire/runtime/grpc/call-context'
import { bindService, type ServiceBinding } from '@mini-spire/runtime/grpc/service'
import type { LogLevelControl } from '@mini-spire/runtime/log/log-control'
import type { LogLevel } from '@mini-spire/runtime/log/logger'
import {
  LoggerService,
  type SetLogLevelRequest,
} from '@mini-spire/runtime/proto/spire/api/agent/logger/v1/logger'
import type { Logger } from '@mini-spire/runtime/proto/spire/api/types/logger'

/** In the order of the API's numbers, from 1. */
const levels: readonly LogLevel[] = ['panic', 'fatal', 'error', 'warning', 'info', 'debug', 'trace']

/** The Logger service of the admin socket: reads and changes the log level of the running agent. */
export function bindLogger(log: LogLevelControl): ServiceBinding<CallContext> {
  const state = (): Logger => ({
    currentLevel: numberOf(log.level),
    launchLevel: numberOf(log.launchLevel),
  })
  return bindService(LoggerService, {
    getLogger: () => state(),
    setLogLevel: (call: CallContext, { newLevel }: SetLogLevelRequest) => {
      const level = levelFromProto(newLevel)
      call.log.info('SetLogLevel Called', { new_level: level })
      log.setLevel(level)
      return state()
    },
    resetLogLevel: (call: CallContext) => {
      call.log.info('ResetLogLevel Called', { launch_level: log.launchLevel })
      log.setLevel(log.launchLevel)
      return state()
    },
  })
}

function levelFromProto(number: number): LogLevel {
  if (number === 0)
    throw new ApiError('invalid-argument', 'newLevel value cannot be LogLevel_UNSPECIFIED')
  const level = levels[number - 1]
  if (level === undefined) throw new ApiError('invalid-argument', 'unsupported log level')
  return level
}

function numberOf(level: LogLevel): Logger['currentLevel'] {
  return (levels.indexOf(level) + 1) as Logger['currentLevel']
}
