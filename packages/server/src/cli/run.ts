import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { defineCommand } from '@mini-spire/runtime/cli/define-command'
import { untilSignal } from '@mini-spire/runtime/cli/signals'
import { systemClock } from '@mini-spire/runtime/clock'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { standardOutputTaken } from '@mini-spire/runtime/log/destination'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import { openLog } from '@mini-spire/runtime/log/open-log'
import { nodeWarning, platformRefusal } from '@mini-spire/runtime/platform'
import { version } from '@mini-spire/runtime/version'
import { messageOf } from '@mini-spire/sdk/errors'
import { loadServerConfig } from '../config/load.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import { runServer } from '../run-server.ts'
import { runFlags } from './run-flags.ts'

/** `run`: a configuration error is a line on standard error; what goes wrong later stands in the log. */
export const command: AnyCommand = defineCommand({
  name: 'run',
  flags: runFlags,
  repeatsUsageError: true,
  async run({ values }, terminal) {
    const refusal = platformRefusal()
    if (refusal) {
      terminal.err(`${refusal}\n`)
      return 1
    }
    let loaded: { readonly config: ResolvedServerConfig; readonly log: RootLogger }
    try {
      loaded = await loadServerConfig({
        path: values.config,
        flags: values,
        ...(values.expandEnv ? { environment: terminal.environment } : {}),
        openLog: (log) => openLog(log, systemClock),
      })
    } catch (error) {
      terminal.err(`${messageOf(error)}\n`)
      const details = error instanceof ConfigError ? error.details : []
      for (const detail of details) terminal.err(`\t${detail}\n`)
      return 1
    }
    const { config, log } = loaded
    const warning = nodeWarning()
    if (warning) log.warn(warning)
    const signal = untilSignal(log)
    const { config: configPath } = values
    const code = await runServer(config, { log, signal, clock: systemClock, version, configPath })
    await standardOutputTaken(systemClock)
    return code
  },
})
