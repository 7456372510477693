import type { Logger } from '@mini-spire/runtime/log/logger'
import type { Cgroup } from '../container/cgroups.ts'

const podmanPattern = /libpod-|\/libpod\//
const userSlicePattern = /\/user-(\d+)\.slice\//
const maxUid = 0xffff_ffff

/** Where Podman listens. */
export interface PodmanSockets {
  /** Of root's containers. */
  readonly rootful: string
  /** Of a user's containers; `%d` stands for the user ID, `%%` for `%`. */
  readonly rootlessTemplate: string
}

/** Which engine a container belongs to: Podman's socket, and whose it must be. */
export interface PodmanSocket {
  readonly address: string
  /** The user whose Podman this is; undefined: root's. */
  readonly ownerUid: number | undefined
}

/** Podman's socket for a process of one of its containers; undefined when no path is one of Podman's. */
export function findPodmanSocket(
  cgroups: readonly Cgroup[],
  { rootful, rootlessTemplate }: PodmanSockets,
  log: Logger,
): PodmanSocket | undefined {
  const cgroup = cgroups.find(({ path }) => podmanPattern.test(path))
  if (!cgroup) return undefined
  const [, digits] = userSlicePattern.exec(cgroup.path) ?? []
  const uid = Number(digits ?? Number.NaN)
  if (!(uid <= maxUid)) {
    const text =
      'Failed to parse rootless Podman UID from cgroup path, falling back to rootful Podman socket'
    if (digits !== undefined) log.warn(text, { uid: digits, cgroup_path: cgroup.path })
    return { address: rootful, ownerUid: undefined }
  }
  const address = rootlessTemplate.replaceAll(/%[%d]/g, (mark) => (mark === '%%' ? '%' : `${uid}`))
  return { address, ownerUid: uid }
}

/** Why a template for rootless sockets is refused, or undefined. */
export function templateProblem(template: string): string | undefined {
  const marks = template.match(/%(?:.|\n)?/g) ?? []
  for (const mark of marks) {
    if (mark === '%') return 'trailing % at end of template'
    if (mark !== '%%' && mark !== '%d') {
      return 'template only supports escaped %% or the %d UID placeholder'
    }
  }
  if (marks.filter((mark) => mark === '%d').length === 1) return undefined
  return 'template must contain exactly one %d UID placeholder'
}
