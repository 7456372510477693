import { messageOf } from '@mini-spire/sdk/errors'
import { readCgroups } from '../container/cgroups.ts'
import { type ContainerNames, noContainer } from '../container/container-path.ts'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'

const punct = '[!-/:-@[-`{-~]'
const word = '[^!-/:-@[-`{-~]'
const hex = '[0-9a-fA-F]'
const uid = `${hex}{8}${punct}?${hex}{4}${punct}?${hex}{4}${punct}?${hex}{4}${punct}?${hex}{12}`

/** A pod UID, anything in between, and a container ID at the end. */
const podPattern = new RegExp(`${punct}pod(${uid})${punct}(?:${word}+${punct})*(${hex}{64})$`)
/** cri-o, where it does not put the pod UID into the name. */
const crioPattern = new RegExp(`crio${punct}(${hex}{64})$`)
const podUidPattern = new RegExp(`pod${uid}${punct}`)

/**
 * Finds pod and container as `use_new_container_locator = false` asks: in control groups only, by two fixed patterns.
 *
 * @throws {WorkloadAttestorError} `ERR_WORKLOAD_CONTAINER_CONFLICT`, `ERR_WORKLOAD_UNREADABLE`
 */
export function locateTheOldWay(procPath: string, pid: number): ContainerNames {
  let known = noContainer
  for (const path of pathsOf(`${procPath}/${pid}`)) {
    const found = readOldContainerPath(path)
    if (found.containerId === '') continue
    if (known.containerId === '') known = found
    if (known.containerId !== found.containerId) {
      throw conflict('container ID', known.containerId, found.containerId)
    }
    if (known.podUid !== found.podUid) throw conflict('pod UID', known.podUid, found.podUid)
  }
  return known
}

/** What one path says; nothing when both patterns match. */
export function readOldContainerPath(path: string): ContainerNames {
  const trimmed = path.endsWith('.scope') ? path.slice(0, -'.scope'.length) : path
  const pod = podPattern.exec(trimmed)
  const crio = podUidPattern.test(trimmed) ? null : crioPattern.exec(trimmed)
  if (pod && crio) return noContainer
  if (pod) {
    const podUid = (pod[1] ?? '').replaceAll(new RegExp(punct, 'g'), '-')
    return { podUid, containerId: pod[2] ?? '' }
  }
  return { podUid: '', containerId: crio?.[1] ?? '' }
}

function pathsOf(folder: string): readonly string[] {
  try {
    return readCgroups(folder).map(({ path }) => path)
  } catch (cause) {
    const message = `unable to obtain cgroups: ${messageOf(cause)}`
    throw new WorkloadAttestorError('k8s', 'ERR_WORKLOAD_UNREADABLE', message, { cause })
  }
}

function conflict(what: string, previous: string, current: string): WorkloadAttestorError {
  const message = `multiple ${what}s found in cgroups (${previous}, ${current})`
  return new WorkloadAttestorError('k8s', 'ERR_WORKLOAD_CONTAINER_CONFLICT', message)
}
