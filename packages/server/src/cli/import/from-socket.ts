import type { ClientContext } from '@mini-spire/runtime/cli/client-command'
import { openSocket } from '@mini-spire/runtime/cli/socket'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain } from '@mini-spire/runtime/cli/values'
import { createClient } from '@mini-spire/runtime/grpc/client'
import { AgentService } from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import type { Bundle } from '@mini-spire/runtime/proto/spire/api/types/bundle'
import { type ImportReport, ImportTally } from '../../import/import-report.ts'
import { progressTo } from './progress.ts'
import { copyRecords } from './socket-records.ts'
import { bundleKind, type Connect, entryKind, relationshipKind } from './socket-service.ts'

/**
 * `import -from-socket`: what a running SPIRE server's API tells, through the API of a running server of ours, so that
 * everything is checked, recorded and logged as any other call of an operator.
 *
 * The API has no way to create agents or authorities: agents attest anew, workloads get SVIDs of new authorities.
 */
export async function importFromSocket(
  context: ClientContext<{
    readonly 'from-socket': { readonly type: 'string'; readonly usage: string }
    readonly dryRun: { readonly type: 'bool'; readonly usage: string }
  }>,
): Promise<ImportReport> {
  const { flags, terminal } = context
  const path = flags['from-socket']
  const ours: Connect = (definition) =>
    explain('server to import into: ', context.client(definition))
  const channel = await explain('server to import from: ', openSocket(path, 'slashes'))
  try {
    const theirs: Connect = (definition) => Promise.resolve(createClient(definition, channel))
    const tally = new ImportTally()
    const isDryRun = flags.dryRun
    const { trustDomain, warnings } = await compareOwnBundles(ours, theirs)
    const options = { tally, isDryRun, onProgress: progressTo(terminal) }
    await copyRecords(await bundleKind(ours, theirs), options)
    await copyRecords(await relationshipKind(ours, theirs), options)
    await copyRecords(await entryKind(ours, theirs), options)
    return {
      source: `SPIRE server at ${path}`,
      spireVersion: '',
      trustDomain,
      isDryRun,
      counts: tally.counts,
      problems: tally.problems,
      authorities: [],
      warnings: [...warnings, ...(await warnAboutAgents(theirs))],
    }
  } finally {
    channel.close()
  }
}

async function compareOwnBundles(
  ours: Connect,
  theirs: Connect,
): Promise<{ readonly trustDomain: string; readonly warnings: readonly string[] }> {
  const [own, other] = await Promise.all(
    [ours, theirs].map(async (connect) =>
      (await connect(BundleService)).getBundle({ outputMask: undefined }),
    ),
  )
  if (!own || !other || own.trustDomain !== other.trustDomain) {
    const text = `the server to import from is of trust domain ${other?.trustDomain}, this one of ${own?.trustDomain}`
    throw new CommandError(text)
  }
  const missing = countMissing(other, own)
  if (missing === 0) return { trustDomain: own.trustDomain, warnings: [] }
  const text = `the bundle here lacks ${missing} authorities of the source: what that server signed is not trusted here, nor the other way round; import -from-datastore keeps authorities`
  return { trustDomain: own.trustDomain, warnings: [text] }
}

/** How many authorities of one bundle the other has not. */
function countMissing(theirs: Bundle, ours: Bundle): number {
  const known = new Set([
    ...ours.x509Authorities.map(({ asn1 }) => Buffer.from(asn1).toString('hex')),
    ...ours.jwtAuthorities.map(({ publicKey }) => Buffer.from(publicKey).toString('hex')),
  ])
  return [
    ...theirs.x509Authorities.map(({ asn1 }) => asn1),
    ...theirs.jwtAuthorities.map(({ publicKey }) => publicKey),
  ].filter((bytes) => !known.has(Buffer.from(bytes).toString('hex'))).length
}

async function warnAboutAgents(theirs: Connect): Promise<readonly string[]> {
  const { count } = await (await theirs(AgentService)).countAgents({ filter: undefined })
  if (count === 0) return []
  return [
    `${count} agents were not taken over, the API cannot create them: they attest anew, and those of join tokens need new ones; import -from-datastore keeps agents`,
  ]
}
