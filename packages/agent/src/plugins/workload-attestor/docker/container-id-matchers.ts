import { quoteGo } from '@mini-spire/runtime/go-quote'
import { WorkloadAttestorError } from '../workload-attestor-error.ts'

const wildcard = '*'
const idToken = '<id>'

/** Finds a container ID in a cgroup path; undefined when the path is none of a container. */
export type FindContainerId = (path: string) => string | undefined

/**
 * Compiles `container_id_cgroup_matchers`: paths in which `*` stands for one segment and `<id>`, exactly once, for the
 * container ID.
 *
 * @throws {WorkloadAttestorError} `ERR_WORKLOAD_ATTESTOR_CONFIG` when two patterns could match one path, or `<id>` is not there once
 */
export function compileMatchers(patterns: readonly string[]): FindContainerId {
  const ambiguous = findAmbiguous(patterns)
  if (ambiguous.length > 0) {
    const list = ambiguous.map(quoteGo).join(' ')
    throw refused(`dockerfinder: patterns must not be ambiguous: [${list}]`)
  }
  const matchers = patterns.map(compile)
  return (path) => {
    for (const matcher of matchers) {
      const id = matcher.exec(path)?.[1]
      if (id !== undefined) return id
    }
    return undefined
  }
}

function compile(pattern: string): RegExp {
  const segments = pattern.split('/')
  if (segments.filter((segment) => segment === idToken).length !== 1) {
    const rule = `must contain the container id token ${quoteGo(idToken)} exactly once`
    throw refused(`pattern ${quoteGo(pattern)} ${rule}`)
  }
  const parts = segments.map((segment) => {
    if (segment === wildcard) return '[^/]*'
    if (segment === idToken) return '([^/]*)'
    return segment.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('/')}$`)
}

function findAmbiguous(patterns: readonly string[]): readonly string[] {
  const found = new Set<string>()
  for (const [index, one] of patterns.entries()) {
    for (const other of patterns.slice(index + 1)) {
      if (couldMatchTheSame(one.split('/'), other.split('/'))) found.add(one).add(other)
    }
  }
  return [...found]
}

function couldMatchTheSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false
  const isOpen = (segment: string | undefined): boolean =>
    segment === wildcard || segment === idToken
  return one.every((segment, i) => segment === other[i] || isOpen(segment) || isOpen(other[i]))
}

function refused(message: string): WorkloadAttestorError {
  return new WorkloadAttestorError('docker', 'ERR_WORKLOAD_ATTESTOR_CONFIG', message)
}
