import { describe, expect, it } from 'vitest'
import { codeOf, sourceFiles } from './source-files.ts'

interface Ban {
  readonly what: string
  readonly pattern: RegExp
  readonly why: string
  /** Files in which it is the right thing. */
  readonly except?: RegExp
}

const bans: readonly Ban[] = [
  {
    what: 'rejectUnauthorized: false',
    pattern: /rejectUnauthorized:\s*false/,
    why: 'only where our own path check replaces the one it switches off',
    except:
      /^packages\/(runtime\/src\/(grpc\/|telemetry\/prometheus-tls)|sdk\/src\/(tls\/|http\/server-trust))/,
  },
  {
    what: 'Date.now() and new Date()',
    pattern: /\bDate\.now\(|new Date\(\)/,
    why: 'time comes from Clock',
    except: /^packages\/sdk\/src\//,
  },
  {
    what: 'setTimeout and setInterval',
    pattern: /\bset(Timeout|Interval)\(/,
    why: 'timers come from Clock',
    except: /^packages\/sdk\/src\//,
  },
  { what: 'Math.random()', pattern: /Math\.random\(/, why: 'chance comes from an argument' },
  {
    what: 'console',
    pattern: /\bconsole\./,
    why: 'daemons log, commands write to their output',
  },
  {
    what: 'process.exit',
    pattern: /process\.exit\(/,
    why: 'only an entry point ends the process, and a reader that has gone',
    except: /\/(cli\/main|broken-pipe)\.ts$/,
  },
  { what: 'any', pattern: /(:\s*any\b|\bas any\b|<any>)/, why: 'a type is written or unknown' },
  {
    what: 'unfinished notes',
    pattern: /\b(TODO|FIXME|XXX)\b/,
    why: 'what is left stands in an issue',
  },
  { what: 'eval', pattern: /\beval\(|new Function\(/, why: 'nothing is compiled at run time' },
  {
    what: 'weak hashes',
    pattern: /createHash\(\s*'(md5|md4)'/,
    why: 'SHA-1 stays where a standard asks for it (key identifiers), nothing weaker anywhere',
  },
]

const production = sourceFiles().filter((file) => !file.isTest)

describe('banned calls', () => {
  it.each(bans)('$what: $why', ({ pattern, except }) => {
    const found = production
      .filter((file) => !except?.test(file.path))
      .flatMap((file) =>
        codeOf(file.text)
          .split('\n')
          .map((line, index) => ({ line, where: `${file.path}:${index + 1}` }))
          .filter(({ line }) => pattern.test(line)),
      )
    expect(found.map(({ where, line }) => `${where} ${line.trim()}`)).toEqual([])
  })
})
