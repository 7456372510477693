import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import { defineCommand } from '@mini-spire/runtime/cli/define-command'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { systemClock } from '@mini-spire/runtime/clock'
import { checkPluginNames, countProblems } from '@mini-spire/runtime/config/check-plugins'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { noDestination } from '@mini-spire/runtime/log/destination'
import { openLog } from '@mini-spire/runtime/log/open-log'
import { messageOf } from '@mini-spire/sdk/errors'
import { loadServerConfig } from '../config/load.ts'
import { serverPluginKinds } from '../config/plugin-kinds.ts'
import type { ResolvedServerConfig } from '../config/resolved-config.ts'
import type { ExternalProblem } from '../plugins/validate-external.ts'
import { type RunFlagValues, runFlags } from './run-flags.ts'

/** `validate`: reads the configuration as `run` does, and says what is wrong with it. Binds and connects nothing. */
export const command: AnyCommand = defineCommand({
  name: 'validate',
  flags: {
    ...runFlags,
    strict: { type: 'bool', usage: 'Refuse every unknown key, also where run only warns' },
  },
  repeatsUsageError: true,
  usageErrorPrefix: 'SPIRE server configuration file is invalid: ',
  async run({ values }, terminal) {
    let config: ResolvedServerConfig
    try {
      config = await load(values, terminal)
    } catch (error) {
      terminal.err(`SPIRE server configuration file is invalid: ${messageOf(error)}\n`)
      const details = error instanceof ConfigError ? error.details : []
      for (const detail of details) terminal.err(`\t${detail}\n`)
      return 1
    }
    return await checkCatalog(config, terminal)
  },
})

async function load(
  flags: RunFlagValues & { readonly strict: boolean },
  terminal: Terminal,
): Promise<ResolvedServerConfig> {
  const { config } = await loadServerConfig({
    path: flags.config,
    purpose: 'validate',
    flags,
    isStrict: flags.strict,
    ...(flags.expandEnv ? { environment: terminal.environment } : {}),
    openLog: (log) => openLog(log, systemClock, noDestination),
  })
  return config
}

async function checkCatalog(
  { plugins, trustDomain }: ResolvedServerConfig,
  terminal: Terminal,
): Promise<number> {
  const { environment } = terminal
  const external: ExternalProblem[] = []
  try {
    checkPluginNames(plugins, serverPluginKinds)
    if (plugins.some(({ isEnabled, command }) => isEnabled && command !== '')) {
      const { validateExternalPlugins } = await import('../plugins/validate-external.ts')
      external.push(...(await validateExternalPlugins(plugins, { trustDomain, environment })))
    }
  } catch (error) {
    // Without a line end, as in SPIRE.
    terminal.err(`Could not validate configuration file: ${messageOf(error)}`)
    return 1
  }
  const { checkPluginData } = await import('../plugins/check-data.ts')
  const found = [...external, ...checkPluginData(plugins, { trustDomain, environment })]
  const problems = [
    ...found.map(({ type, name, problem }) => `\t${type} "${name}":\n\t\t${problem}\n`),
    ...countProblems(plugins, serverPluginKinds).map(
      ({ type, problem }) => `\t${type}:\n\t\tconstraint not satisfied: ${problem}\n`,
    ),
  ]
  if (problems.length === 0) {
    terminal.out('SPIRE server configuration file is valid.\n')
    return 0
  }
  terminal.err('SPIRE server configuration file is invalid.\nValidation errors:\n')
  for (const problem of problems) terminal.err(problem)
  return 1
}
