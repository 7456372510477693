/** What `sockaddr_un` holds, its final zero left out. */
const maxBytes = 107

/** Whether a path is longer than a Unix socket's may be: the system would cut it short, without a word, and connect elsewhere. */
export function isLongerThanSocketPath(path: string): boolean {
  return Buffer.byteLength(path) > maxBytes
}
