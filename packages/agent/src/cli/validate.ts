import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { defineCommand } from '@mini-spire/runtime/cli/define-command'
import { systemClock } from '@mini-spire/runtime/clock'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { openLog } from '@mini-spire/runtime/log/open-log'
import { messageOf } from '@mini-spire/sdk/errors'
import { loadAgentConfig } from '../config/load.ts'
import { runFlags } from './run-flags.ts'

/** `validate`: reads the configuration as `run` does, and says what is wrong with it. Plugins are not looked at. */
export const command: AnyCommand = defineCommand({
  name: 'validate',
  flags: {
    ...runFlags,
    strict: { type: 'bool', usage: 'Refuse every unknown key, also where run only warns' },
  },
  repeatsUsageError: true,
  usageErrorPrefix: 'SPIRE agent configuration file is invalid: ',
  async run({ values }, terminal) {
    // Lines written straight away, so that they stand before the verdict.
    const destination = { isTerminal: false, write: (text: string) => terminal.out(text) }
    try {
      loadAgentConfig({
        path: values.config,
        flags: values,
        isStrict: values.strict,
        ...(values.expandEnv ? { environment: terminal.environment } : {}),
        openLog: (log) => openLog(log, systemClock, destination),
      })
    } catch (error) {
      terminal.err(`SPIRE agent configuration file is invalid: ${messageOf(error)}\n`)
      const details = error instanceof ConfigError ? error.details : []
      for (const detail of details) terminal.err(`\t${detail}\n`)
      return 1
    }
    terminal.out('SPIRE agent configuration file is valid.\n')
    return 0
  },
})
