/** Bytes of a Unix socket's path: what `sockaddr_un` holds, its final zero left out. */
export const maxSocketPathBytes = 107

/** Whether a path is longer than a Unix socket's may be: the system would cut it short, without a word, and go elsewhere. */
export function isLongerThanSocketPath(path: string): boolean {
  return Buffer.byteLength(path) > maxSocketPathBytes
}
