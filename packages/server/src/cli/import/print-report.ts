import { formatUtc } from '@mini-spire/runtime/cli/time'
import type { ImportedAuthority, ImportReport } from '../../import/import-report.ts'
import type { RecordKind } from '../../store/store.ts'

/** The kinds in the order in which they are printed. */
const kindNames: Readonly<Record<RecordKind, string>> = {
  bundle: 'bundles',
  'federation-relationship': 'federation relationships',
  entry: 'entries',
  node: 'agents',
  'join-token': 'join tokens',
  'ca-journal': 'CA journals',
  'used-token': 'exchanged tokens',
}

/** The report as people read it. */
export function formatReport(report: ImportReport): string {
  const { source, spireVersion, trustDomain, isDryRun, problems, authorities, warnings } = report
  return [
    `Read from   : ${source}${spireVersion === '' ? '' : ` (SPIRE ${spireVersion})`}`,
    `Trust domain: ${trustDomain}`,
    isDryRun ? 'Dry run: nothing was written.' : '',
    '',
    formatCounts(report),
    ...problems.map(
      ({ kind, key, outcome, reason }) =>
        `${outcome === 'conflict' ? 'Conflict' : 'Refused'}: ${kind} ${key}: ${reason}`,
    ),
    ...authorities.map(formatAuthority),
    ...warnings.map((warning) => `Warning: ${warning}`),
  ]
    .filter((line, index) => line !== '' || index === 3)
    .map((line) => `${line}\n`)
    .join('')
}

/** The report as programs read it. */
export function reportToJson(report: ImportReport): unknown {
  return {
    authorities: report.authorities.map(({ type, id, status, expiresAtSeconds, hasKey }) => ({
      authority_id: id,
      expires_at: expiresAtSeconds,
      ...(hasKey === undefined ? {} : { has_key: hasKey }),
      status,
      type,
    })),
    dry_run: report.isDryRun,
    problems: report.problems,
    records: Object.fromEntries(
      [...report.counts].map(([kind, counts]) => [
        kindNames[kind].replaceAll(' ', '_').toLowerCase(),
        counts,
      ]),
    ),
    source: report.source,
    spire_version: report.spireVersion,
    trust_domain: report.trustDomain,
    warnings: report.warnings,
  }
}

function formatCounts({ counts, isDryRun }: ImportReport): string {
  const heading = ['', isDryRun ? 'to create' : 'created', 'unchanged', 'conflicts', 'refused']
  const rows = Object.entries(kindNames).flatMap(([kind, name]) => {
    const count = counts.get(kind as RecordKind)
    if (!count) return []
    return [[name, ...[count.created, count.unchanged, count.conflicts, count.refused].map(String)]]
  })
  const table = [heading, ...rows]
  const widths = heading.map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  )
  return table
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
    .join('\n')
}

function formatAuthority(authority: ImportedAuthority): string {
  const { type, id, status, expiresAtSeconds, hasKey } = authority
  const name = type === 'x509' ? 'X.509' : 'JWT'
  const key = hasKey === undefined ? '' : hasKey ? ', key found' : ', key NOT found'
  return `Authority: ${name} ${id}, ${status}, until ${formatUtc(expiresAtSeconds)}${key}`
}
