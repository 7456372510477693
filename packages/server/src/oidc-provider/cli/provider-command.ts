import { randomInt } from 'node:crypto'
import { parseFlags, usageText } from '@mini-spire/runtime/cli/flags'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { HelpRequest, UsageError } from '@mini-spire/runtime/cli/usage-error'
import { systemClock } from '@mini-spire/runtime/clock'
import { ConfigError } from '@mini-spire/runtime/config/config-error'
import { standardOutputTaken } from '@mini-spire/runtime/log/destination'
import { openLog } from '@mini-spire/runtime/log/open-log'
import { platformRefusal } from '@mini-spire/runtime/platform'
import { version } from '@mini-spire/runtime/version'
import { readProviderKeys } from '../load-provider-config.ts'
import { resolveProviderConfig } from '../provider-config.ts'
import { runProvider } from '../run-provider.ts'

const flags = {
  config: { type: 'string', value: 'oidc-discovery-provider.conf', usage: 'configuration file' },
  expandEnv: { type: 'bool', usage: 'expand environment variables in config file' },
  version: { type: 'bool', usage: 'print version' },
} as const

/** Help goes by SPIRE's name, whatever this program is called as. */
const usage = usageText('oidc-discovery-provider', flags)

/**
 * The command line of SPIRE's `oidc-discovery-provider`: no subcommands, and 1 even after a stop that was asked for.
 *
 * @param signal ends the provider when it aborts
 * @returns the exit code
 */
export async function providerCommand(
  args: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  let parsed: ReturnType<typeof parseFlags<typeof flags>>
  try {
    parsed = parseFlags(flags, args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const isHelp = error instanceof HelpRequest
    terminal.err(isHelp ? usage : `${error.message}\n${usage}`)
    return isHelp ? 0 : 2
  }
  const { values, rest } = parsed
  if (values.version) {
    terminal.out(`${version}\n`)
    return 0
  }
  if (rest.length > 0) {
    terminal.err(`Error: unexpected arguments: [${rest.join(' ')}]\n${usage}`)
    return 1
  }
  const refusal = platformRefusal()
  if (refusal) {
    terminal.err(`${refusal}\n`)
    return 1
  }
  try {
    await run(values, terminal, signal)
    terminal.err('http: Server closed\n')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.err(`${error.message}\n`)
  }
  return 1
}

async function run(
  { config: path, expandEnv }: { readonly config: string; readonly expandEnv: boolean },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { environment } = terminal
  const keys = readProviderKeys({ path, environment: expandEnv ? environment : undefined })
  const config = await resolveProviderConfig(keys)
  if (config.jwtIssuer !== '' && config.jwksUri === '') {
    terminal.out(
      'Warning: The jwt_issuer configuration will also affect the jwks_uri behavior when jwks_url is not set. This behaviour will be changed in 1.13.0.',
    )
  }
  await runProvider(config, {
    keys,
    openLog: (options) => openLog(options, systemClock),
    environment,
    chance: () => randomInt(2 ** 32) / 2 ** 32,
    clock: systemClock,
    signal,
  })
  await standardOutputTaken(systemClock)
}
