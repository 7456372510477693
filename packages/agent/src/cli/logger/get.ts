import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { formatLogger } from '@mini-spire/runtime/cli/logger-level'
import { explain } from '@mini-spire/runtime/cli/values'
import { LoggerService } from '@mini-spire/runtime/proto/spire/api/agent/logger/v1/logger'
import { Logger } from '@mini-spire/runtime/proto/spire/api/types/logger'
import { adminCommand } from '../agent-command.ts'

/** `logger get` */
export const command: AnyCommand = adminCommand({
  name: 'logger get',
  flags: {},
  async run({ terminal, client, print }) {
    const ask = async (): Promise<Logger> => (await client(LoggerService)).getLogger({})
    const logger = await explain('error fetching logger: ', ask())
    const bytes = Logger.encode(logger).finish()
    await print({ type: 'spire.api.types.Logger', bytes }, () => {
      terminal.out(formatLogger(logger))
    })
    return 0
  },
})
