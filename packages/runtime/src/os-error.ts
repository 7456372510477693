const texts: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EEXIST: 'file exists',
  EHOSTUNREACH: 'no route to host',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'file name too long',
  ENETUNREACH: 'network is unreachable',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTSOCK: 'socket operation on non-socket',
  EPERM: 'operation not permitted',
  EPIPE: 'broken pipe',
  EROFS: 'read-only file system',
  ESRCH: 'no such process',
  ETIMEDOUT: 'connection timed out',
}

/** The system's text for an error number, such as `no such file or directory` for `ENOENT`. */
export function systemText(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return texts[code] ?? (error instanceof Error ? error.message : String(error))
}

/**
 * A failed operation on a file as Go words it: `open conf: no such file or directory`.
 *
 * @param path the path as the user wrote it
 */
export function osErrorText(operation: string, path: string, error: unknown): string {
  // A directory opens well and cannot be read.
  const isOpen = error instanceof Error && 'syscall' in error && error.syscall === 'read'
  return `${operation === 'open' && isOpen ? 'read' : operation} ${path}: ${systemText(error)}`
}
