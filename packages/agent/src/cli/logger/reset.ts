import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { formatLogger } from '@mini-spire/runtime/cli/logger-level'
import { explain } from '@mini-spire/runtime/cli/values'
import { LoggerService } from '@mini-spire/runtime/proto/spire/api/agent/logger/v1/logger'
import { Logger } from '@mini-spire/runtime/proto/spire/api/types/logger'
import { adminCommand } from '../agent-command.ts'

/** `logger reset` */
export const command: AnyCommand = adminCommand({
  name: 'logger reset',
  flags: {},
  async run({ terminal, client, print }) {
    const ask = async (): Promise<Logger> => (await client(LoggerService)).resetLogLevel({})
    const logger = await explain('failed to reset logger: ', ask())
    const bytes = Logger.encode(logger).finish()
    await print({ type: 'spire.api.types.Logger', bytes }, () => {
      terminal.out(formatLogger(logger))
    })
    return 0
  },
})
