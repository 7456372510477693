import { chmodSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { messageOf } from '@mini-spire/sdk/errors'
import { isLongerThanSocketPath, maxSocketPathBytes } from '@mini-spire/sdk/internal/socket-path'
import type { Logger } from '../log/logger.ts'
import { osErrorText, systemText } from '../os-error.ts'
import { ListenError } from './listen-error.ts'

/** Where a Unix socket is, and who may come near it. */
export interface UnixPath {
  readonly path: string
  /** Mode of the socket file, whatever the umask. */
  readonly mode: number
  /** Mode of its directory when that has to be made. */
  readonly directoryMode: number
}

/** How many connections the kernel holds until they are accepted; Node's own 511 drops a herd. */
const backlog = 4096

/**
 * Has a server listen on a Unix socket: makes the directory, removes a socket that nobody serves any more, sets the modes.
 *
 * @throws {ListenError} `ERR_LISTEN_UNSAFE_DIRECTORY` when another user owns the directory, `ERR_LISTEN_FAILED`
 */
export async function listenOnPath(
  server: Server,
  { path, mode, directoryMode }: UnixPath,
  log: Logger,
): Promise<void> {
  if (isLongerThanSocketPath(path)) {
    throw listenFailed(path, `the path is longer than ${maxSocketPathBytes} bytes`)
  }
  prepareDirectory(dirname(path), directoryMode)
  removeStale(path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(listenFailed(path, cause)))
    server.listen({ path, backlog }, resolve)
  })
  server.removeAllListeners('error')
  server.on('error', (error) => {
    log.warn('Listener failed to accept', { error: messageOf(error) })
  })
  try {
    chmodSync(path, mode)
  } catch (cause) {
    throw listenFailed(path, cause)
  }
}

/** Makes the directory, and refuses one where another user could swap the socket for their own. */
function prepareDirectory(directory: string, mode: number): void {
  try {
    if (mkdirSync(directory, { recursive: true, mode }) !== undefined) chmodSync(directory, mode)
    const { uid } = statSync(directory)
    if (uid === 0 || uid === process.geteuid?.()) return
    throw new ListenError(
      'ERR_LISTEN_UNSAFE_DIRECTORY',
      `directory ${directory} of the socket belongs to another user (uid ${uid})`,
    )
  } catch (cause) {
    if (cause instanceof ListenError) throw cause
    const message = `could not make the directory of a socket: ${osErrorText('mkdir', directory, cause)}`
    throw new ListenError('ERR_LISTEN_FAILED', message, { cause })
  }
}

function removeStale(path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })) unlinkSync(path)
  } catch (cause) {
    throw listenFailed(path, cause)
  }
}

/** In Go's words. */
function listenFailed(path: string, cause: unknown): ListenError {
  const message = `listen unix ${path}: bind: ${systemText(cause)}`
  return new ListenError('ERR_LISTEN_FAILED', message, { cause })
}
