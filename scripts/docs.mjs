// Writes the documents that are made from the code: docs/errors.md (every error code), docs/standards.md (clause → test) and
// docs/config/ (every key of the configuration files).
// `--check` proves that what is committed is current.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean)
  .sort()
const read = (file) => readFileSync(join(root, file), 'utf8')

/** Codes with their kinds, from each area's error file. */
function errorsDocument() {
  const areas = files
    .filter((file) => /packages\/.*-error\.ts$/.test(file))
    .map((file) => {
      const text = read(file)
      const codes = [
        ...new Set([...text.matchAll(/'(ERR_[A-Z0-9_]+)'/g)].map((match) => match[1])),
      ].sort()
      const about = /\/\*\*\s*([\s\S]*?)\*\/\s*export class (\w+)/.exec(text)
      return { name: about?.[2] ?? file, about: sentence(about?.[1] ?? ''), codes, text, file }
    })
    .filter(({ codes }) => codes.length > 0)
  const lines = [
    '# Errors',
    '',
    'Every failure that a program may want to tell apart has a stable code. Made by `npm run gen` from the code.',
  ]
  for (const { name, about, codes, text, file } of areas) {
    lines.push(
      '',
      `## ${name}`,
      '',
      `${about} (\`${file.replace(/^packages\//, '')}\`)`,
      '',
      '| Code | Kind |',
      '| --- | --- |',
    )
    for (const code of codes) {
      const kind = new RegExp(`${code}['"]?:\\s*'([a-z-]+)'`).exec(text)?.[1] ?? onlyKind(text)
      lines.push(`| \`${code}\` | ${kind} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

function onlyKind(text) {
  const kinds = [...text.matchAll(/return '([a-z-]+)'/g)].map((match) => match[1])
  return kinds.length === 1 ? kinds[0] : 'see the class'
}

function sentence(comment) {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*?\s?/, '').trim())
    .join(' ')
    .replaceAll(/\{@link ([^}]+)\}/g, '`$1`')
    .trim()
    .split(/(?<=\.)\s/)[0]
}

/** Tests whose titles name a clause of a standard: `refuses … [X509-SVID 4.3]`. */
function standardsDocument() {
  const rows = []
  const clause =
    '(?:X509-SVID|JWT-SVID|SPIFFE-ID|SPIFFE|Workload API|Workload Endpoint|Trust Domain and Bundle|Federation|RFC \\d+|gate)[^\\]\\n]*'
  const titled = new RegExp(`(['"\`])((?:(?!\\1).)*?)\\s*\\[(${clause})\\]\\1`, 'g')
  for (const file of files.filter((name) => name.endsWith('.test.ts'))) {
    for (const match of read(file).matchAll(titled))
      rows.push({ clause: match[3], title: match[2], file })
  }
  rows.sort((a, b) => (a.clause + a.title < b.clause + b.title ? -1 : 1))
  const lines = [
    '# Standards',
    '',
    'Which test holds which clause. Made by `npm run gen` from the tags in test titles.',
    '',
    '| Clause | Test | Where |',
    '| --- | --- | --- |',
    ...rows.map(
      ({ clause, title, file }) => `| ${clause} | ${title.replaceAll('|', '\\|')} | \`${file}\` |`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

/** A schema of configuration keys, as the daemon uses it. */
async function loadSchema(name) {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${name}Schema as schema } from './packages/${name}/src/config/schema.ts'
        export { refusedKeys } from './packages/${name}/src/config/unsupported.ts'
        export { ${name}PluginKinds as pluginKinds } from './packages/${name}/src/config/plugin-kinds.ts'
        export { telemetrySchema, healthChecksSchema } from './packages/runtime/src/config/daemon-schema.ts'`,
      resolveDir: root,
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    conditions: ['source'],
    logLevel: 'error',
  })
  return import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`
  )
}

function keyRows(schema, prefix = '') {
  return Object.entries(schema).flatMap(([key, field]) => {
    const name = `${prefix}${key}`
    const rows = [`| \`${name}\` | ${field.type} | ${(field.doc ?? '').replaceAll('|', '\\|')} |`]
    return field.fields ? [...rows, ...keyRows(field.fields, `${name}.`)] : rows
  })
}

function refusedRows(refusedKeys) {
  return refusedKeys.map(({ key, reason }) => `| \`${key}\` | ${reason.replaceAll('|', '\\|')} |`)
}

/** A kind of plugins of which none may be a program of its own. */
function refusedPrograms({ type, whyNotExternal }) {
  if (whyNotExternal === undefined) return []
  return [{ key: `plugins.${type}.plugin_cmd`, reason: whyNotExternal }]
}

function pluginRows(pluginKinds) {
  const list = (names) => names.map((name) => `\`${name}\``).join(', ')
  return pluginKinds.map(
    ({ type, supported, unsupported }) => `| ${type} | ${list(supported)} | ${list(unsupported)} |`,
  )
}

async function configDocument(name) {
  const loaded = await loadSchema(name)
  const { schema, refusedKeys, pluginKinds, telemetrySchema, healthChecksSchema } = loaded
  const table = (rows) => ['', '| Key | Type | Meaning |', '| --- | --- | --- |', ...rows]
  const lines = [
    `# ${name}.conf`,
    '',
    'Every key, as SPIRE names it. The file is HCL 1 or JSON; a missing key has its default. Made by `npm run gen` from',
    `\`packages/${name}/src/config/schema.ts\`.`,
    '',
    `## ${name}`,
    ...table(keyRows(schema)),
    '',
    '## telemetry',
    ...table(keyRows(telemetrySchema)),
    '',
    '## health_checks',
    ...table(keyRows(healthChecksSchema)),
    '',
    '## Refused',
    '',
    'What SPIRE acts on and this program does not: a file that asks for it is refused, with the reason, and never half obeyed.',
    '',
    '| Key | Reason |',
    '| --- | --- |',
    ...refusedRows([...refusedKeys, ...pluginKinds.flatMap(refusedPrograms)]),
    '',
    '## Plugins',
    '',
    'Those that SPIRE builds in. One that this program has not is refused by its name.',
    '',
    '| Type | Built in | Not yet |',
    '| --- | --- | --- |',
    ...pluginRows(pluginKinds),
  ]
  return `${lines.join('\n')}\n`
}

async function providerDocument() {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [join(root, 'packages/server/src/oidc-provider/provider-schema.ts')],
    write: false,
    format: 'esm',
    logLevel: 'error',
  })
  const code = Buffer.from(outputFiles[0].text).toString('base64')
  const { providerSchema } = await import(`data:text/javascript;base64,${code}`)
  const lines = [
    '# oidc-discovery-provider.conf',
    '',
    'Every key, as SPIRE names it. The keys stand in no block. Made by `npm run gen` from',
    '`packages/server/src/oidc-provider/provider-schema.ts`. What is built into the server instead: `oidc_discovery` in',
    '[server.conf](server.md).',
    '',
    '| Key | Type | Meaning |',
    '| --- | --- | --- |',
    ...keyRows(providerSchema),
  ]
  return `${lines.join('\n')}\n`
}

const documents = {
  'docs/errors.md': errorsDocument(),
  'docs/standards.md': standardsDocument(),
  'docs/config/server.md': await configDocument('server'),
  'docs/config/agent.md': await configDocument('agent'),
  'docs/config/oidc-discovery-provider.md': await providerDocument(),
}
const stale = []
for (const [file, text] of Object.entries(documents)) {
  let current = ''
  try {
    current = read(file)
  } catch {
    // Not written yet.
  }
  if (current === text) continue
  if (process.argv.includes('--check')) stale.push(file)
  else {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
}
if (stale.length > 0) {
  console.error(
    `documents are not current: ${stale.join(', ')}\nrun: npm run gen, and commit the result`,
  )
  process.exitCode = 1
}
