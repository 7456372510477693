import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { systemClock } from '@mini-spire/runtime/clock'
import { decodeSection } from '@mini-spire/runtime/config/decode'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { readKeysFile } from '@mini-spire/runtime/key-manager/disk/keys-file'
import type { SigningKey } from '@mini-spire/runtime/key-manager/key-manager'
import { noDestination } from '@mini-spire/runtime/log/destination'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { openLog } from '@mini-spire/runtime/log/open-log'
import { resolveDataStore } from '../../config/data-store.ts'
import { importCommand } from '../../config/import-command.ts'
import { defaultServerConfigPath, loadServerConfig } from '../../config/load.ts'
import type { ResolvedServerConfig } from '../../config/resolved-config.ts'
import { importDatastore } from '../../import/import-datastore.ts'
import { ImportMarker } from '../../import/import-marker.ts'
import type { ImportReport } from '../../import/import-report.ts'
import { type OpenedSource, openSource } from '../../import/open-source.ts'
import { Registry } from '../../registry/registry.ts'
import { LevelStore } from '../../store/level/level-store.ts'
import { MemoryStore } from '../../store/memory/memory-store.ts'
import type { Store } from '../../store/store.ts'
import type { ImportFlagValues } from './import-flags.ts'
import { progressTo } from './progress.ts'

const noFlags = {
  bindAddress: '',
  serverPort: 0,
  logFile: '',
  logFormat: '',
  logLevel: '',
  logSourceLocation: false,
  socketPath: '',
  trustDomain: '',
} as const

/** `import -from-datastore`: the database of a stopped SPIRE server into the store of a server that does not run. */
export async function importFromDatastore(
  flags: ImportFlagValues,
  terminal: Terminal,
): Promise<ImportReport> {
  const { config } = await loadServerConfig({
    path: flags.config,
    purpose: 'import',
    flags: { ...noFlags, dataDir: flags.dataDir },
    ...(flags.expandEnv ? { environment: terminal.environment } : {}),
    openLog: (log) => openLog(log, systemClock, noDestination),
  })
  const source = await openSource(resolveDataStore(config.plugins))
  try {
    return await importInto(config, source, flags, terminal)
  } finally {
    await source.database.close()
  }
}

async function importInto(
  config: ResolvedServerConfig,
  source: OpenedSource,
  flags: ImportFlagValues,
  terminal: Terminal,
): Promise<ImportReport> {
  const keys = await readKeys(config)
  const { trustDomain, dataDir } = config
  const registry = new Registry({ clock: systemClock })
  const store = targetStore(join(dataDir, 'store'), flags.dryRun)
  await store.open((changes) => registry.apply(changes))
  try {
    const command = importCommand(flags.config || defaultServerConfigPath)
    return await importDatastore({
      source,
      trustDomain,
      store,
      registry,
      marker: new ImportMarker(dataDir, command),
      keys,
      isDryRun: flags.dryRun,
      actor: { class: 'local', id: `uid:${process.getuid?.() ?? 0}` },
      clock: systemClock,
      onProgress: progressTo(terminal),
    })
  } finally {
    await store.close()
  }
}

/** A dry run does not even make the folder of the store. */
function targetStore(directory: string, isDryRun: boolean): Store {
  if (isDryRun && !existsSync(directory)) return MemoryStore.create({ clock: systemClock })
  return LevelStore.create({ directory, clock: systemClock, log: silentLogger })
}

/** The keys of a `disk` key manager; those of `memory` are gone; of others nothing is known here. */
async function readKeys(config: ResolvedServerConfig): Promise<readonly SigningKey[] | undefined> {
  const plugin = config.plugins.find(({ type, isEnabled }) => type === 'KeyManager' && isEnabled)
  if (plugin?.name === 'memory') return []
  if (plugin?.name !== 'disk' || plugin.command !== '') return undefined
  const { data, dataFile } = plugin
  const node = dataFile === undefined ? data : parseConfig(readFileSync(dataFile, 'utf8'))
  const { keys_path: path } = decodeSection({ keys_path: { type: 'string' } }, node)
  return path === '' ? [] : await readKeysFile(path)
}
