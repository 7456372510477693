import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { formatLogger, levelFlag, parseWireLevel } from '@mini-spire/runtime/cli/logger-level'
import { explain } from '@mini-spire/runtime/cli/values'
import { LoggerService } from '@mini-spire/runtime/proto/spire/api/agent/logger/v1/logger'
import { Logger } from '@mini-spire/runtime/proto/spire/api/types/logger'
import { adminCommand } from '../agent-command.ts'

/** `logger set` */
export const command: AnyCommand = adminCommand({
  name: 'logger set',
  flags: { level: levelFlag },
  async run({ flags, terminal, client, print }) {
    const newLevel = parseWireLevel(flags.level)
    const ask = async (): Promise<Logger> => (await client(LoggerService)).setLogLevel({ newLevel })
    const logger = await explain('failed to set log level: ', ask())
    const bytes = Logger.encode(logger).finish()
    await print({ type: 'spire.api.types.Logger', bytes }, () => {
      terminal.out(formatLogger(logger))
    })
    return 0
  },
})
