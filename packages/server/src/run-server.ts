import { onReconfigureSignal } from '@mini-spire/runtime/cli/signals'
import { errorText } from '@mini-spire/runtime/grpc/status-text'
import type { RootLogger } from '@mini-spire/runtime/log/log-control'
import type { ResolvedServerConfig } from './config/resolved-config.ts'
import { Server, type ServerOptions } from './server.ts'

/** Options of {@link runServer}. */
export interface RunServerOptions extends ServerOptions {
  /** Ends the server when it aborts, also while it starts. */
  readonly signal: AbortSignal
}

/**
 * Runs a server until the signal aborts.
 *
 * @returns the exit code: 0 after a graceful stop, 1 when it could not start
 */
export async function runServer(
  config: ResolvedServerConfig,
  options: RunServerOptions,
): Promise<number> {
  const { log, signal, version } = options
  tightenUmask(log)
  log.info('Configured', {
    admin_ids: `[${config.adminIds.join(' ')}]`,
    data_dir: config.dataDir,
    launch_log_level: log.level,
    version,
  })
  const server = new Server(config, options)
  using _ = onReconfigureSignal(() => void server.reconfigure())
  // A start may wait for others, such as an upstream authority's Workload API.
  const giveUp = (): void => void server.stop()
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    await server.start()
  } catch (error) {
    if (!signal.aborted) {
      log.error('Fatal run error', { error: errorText(error) })
      log.error('Server crashed', { error: errorText(error) })
      return 1
    }
  }
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
  await server.stop()
  log.info('Server stopped gracefully')
  return 0
}

/** Nothing the server makes may be read or written by others. */
function tightenUmask(log: RootLogger): void {
  const least = 0o027
  const current = process.umask()
  if ((current & least) === least) return
  const octal = (mask: number): string => mask.toString(8).padStart(4, '0')
  log.warn(`Current umask ${octal(current)} is too permissive; setting umask ${octal(least)}`)
  process.umask(current | least)
}
