import { SpiffeIdError } from './spiffe-id-error.ts'

function refuse(message: string): SpiffeIdError {
  return new SpiffeIdError('ERR_SPIFFE_ID_PATH', message)
}

function isSegmentCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f
  )
}

/**
 * Checks the path of a SPIFFE ID: empty, or segments of `A-Z a-z 0-9 . - _`, each after one slash, none of them empty,
 * `.` or `..` [SPIFFE-ID 2.2].
 *
 * @throws {SpiffeIdError} `ERR_SPIFFE_ID_PATH` naming the rule
 */
export function checkPath(path: string): void {
  if (path === '') return
  if (path.charCodeAt(0) !== 0x2f) throw refuse('path must have a leading slash')
  let start = 1
  for (let i = 1; i <= path.length; i++) {
    if (i < path.length && path.charCodeAt(i) !== 0x2f) {
      if (!isSegmentCharacter(path.charCodeAt(i))) {
        throw refuse(
          'path segment characters are limited to letters, numbers, dots, dashes, and underscores',
        )
      }
      continue
    }
    checkSegmentBounds(path, start, i)
    start = i + 1
  }
}

function checkSegmentBounds(path: string, start: number, end: number): void {
  const length = end - start
  if (length === 0) {
    throw refuse(
      end === path.length
        ? 'path cannot have a trailing slash'
        : 'path cannot contain empty segments',
    )
  }
  const dots = path.charCodeAt(start) === 0x2e && path.charCodeAt(end - 1) === 0x2e
  if (dots && length <= 2) throw refuse('path cannot contain dot segments')
}

/** Checks one segment, without slashes, that is about to become part of a path. */
export function checkPathSegment(segment: string): void {
  if (segment === '') throw refuse('path cannot contain empty segments')
  checkPath(`/${segment.replaceAll('/', '\u0000')}`)
}
