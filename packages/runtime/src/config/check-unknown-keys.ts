import type { Logger } from '../log/logger.ts'
import { formatPosition } from './ast.ts'
import { ConfigError } from './config-error.ts'
import { type SectionSchema, type UnknownKey, unknownKeys } from './schema.ts'
import { nearestKey } from './unknown-keys.ts'

/** A decoded block whose unknown keys are to be judged. */
export interface CheckedSection {
  /** How SPIRE's log line names it. */
  readonly name: string
  readonly decoded: { readonly [unknownKeys]: readonly UnknownKey[] } | undefined
  readonly schema: SectionSchema
  /** Whether SPIRE refuses unknown keys here; where it does not, they are only warned about. */
  readonly isChecked: boolean
  /** Whether SPIRE has no such block: then every unknown key is fatal. @default false */
  readonly isOurs?: boolean
}

/**
 * Judges the unknown keys of a file: fatal exactly where SPIRE is fatal and in blocks of ours, a warning elsewhere.
 *
 * SPIRE's line names the section and its keys, sorted. What it does not say, the place and the nearest known key, is in
 * the error's details and in the warnings.
 *
 * @param isStrict every unknown key is fatal
 * @throws {ConfigError} `ERR_CONFIG_UNKNOWN_KEY`
 */
export function checkUnknownKeys(
  sections: readonly CheckedSection[],
  log: Logger,
  isStrict = false,
): void {
  const details: string[] = []
  for (const section of sections) {
    const found = section.decoded?.[unknownKeys] ?? []
    const { isChecked, isOurs = false } = section
    const fatal = found.filter((key) => isStrict || isOurs || (isChecked && key.isReportedBySpire))
    if (fatal.length > 0) {
      const keys = [...new Set(fatal.map((key) => key.key))].sort().join(',')
      log.error('Unknown configuration detected', { section: section.name, keys })
      details.push(...fatal.map((key) => describe(section, key)))
    }
    for (const key of found) {
      if (fatal.includes(key)) continue
      log.warn('Unknown configuration ignored', {
        section: section.name,
        ...fieldsOf(section, key),
      })
    }
  }
  if (details.length > 0) {
    throw new ConfigError('ERR_CONFIG_UNKNOWN_KEY', 'unknown configuration detected', { details })
  }
}

function describe(section: CheckedSection, key: UnknownKey): string {
  const nearest = nearestKey(key.key, Object.keys(section.schema))
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`
  return `${section.name}: unknown key "${key.key}" at ${formatPosition(key.position)}${hint}`
}

function fieldsOf(section: CheckedSection, key: UnknownKey): Record<string, unknown> {
  const nearest = nearestKey(key.key, Object.keys(section.schema))
  return {
    key: key.key,
    position: formatPosition(key.position),
    ...(nearest === undefined ? {} : { nearest }),
  }
}
