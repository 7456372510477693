import { join } from 'node:path'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { writeOutputFile } from '@mini-spire/runtime/cli/write-files'
import { systemClock } from '@mini-spire/runtime/clock'
import {
  SpiffeWorkloadAPIService,
  X509SVIDResponse,
} from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { type Certificate, pemEncode } from '@mini-spire/sdk/x509'
import { outputFlag, workloadCall, workloadCommand } from '../agent-command.ts'
import { first } from './first.ts'
import { type FetchedSvid, formatSvids, parseSvids } from './x509-response.ts'

/** `api fetch`, `api fetch x509` */
export const command: AnyCommand = workloadCommand({
  name: 'fetch x509',
  flags: {
    silent: { type: 'bool', usage: 'Suppress stdout' },
    write: {
      type: 'string',
      usage:
        'Write SVID data to the specified path (optional; only available for pretty output format)',
    },
    output: outputFlag,
  } as const,
  async run({ flags, terminal, client }) {
    const start = process.hrtime.bigint()
    const workload = await client(SpiffeWorkloadAPIService)
    const response = await first(workload.fetchX509Svid({}, workloadCall(flags)))
    const took = process.hrtime.bigint() - start
    if (flags.output === 'json') {
      const { formatProtoJson } = await import('@mini-spire/runtime/cli/proto-json')
      const bytes = X509SVIDResponse.encode(response).finish()
      terminal.out(formatProtoJson([{ type: 'X509SVIDResponse', bytes }]))
      return 0
    }
    const svids = parseSvids(response, systemClock.now())
    if (!flags.silent) terminal.out(formatSvids(svids, took))
    if (flags.write !== '') await writeSvids(svids, flags.write, terminal)
    return 0
  },
})

async function writeSvids(
  svids: readonly FetchedSvid[],
  folder: string,
  terminal: Terminal,
): Promise<void> {
  for (const [index, svid] of svids.entries()) {
    const write = async (
      name: string,
      what: string,
      content: string,
      isPrivate: boolean,
    ): Promise<void> => {
      const path = join(folder, name)
      terminal.out(`Writing ${what} to file ${path}.\n`)
      await writeOutputFile({ path, content, isPrivate })
    }
    await write(`svid.${index}.pem`, `SVID #${index}`, certificates(svid.chain), false)
    const key = pemEncode('PRIVATE KEY', svid.privateKey)
    await write(`svid.${index}.key`, `key #${index}`, key, true)
    await write(`bundle.${index}.pem`, `bundle #${index}`, certificates(svid.bundle), false)
    for (const [number, [id, bundle]] of svid.federated.entries()) {
      const name = `federated_bundle.${index}.${number}.pem`
      const what = `federated bundle #${number} for trust domain ${id}`
      await write(name, what, certificates(bundle), false)
    }
  }
}

function certificates(chain: readonly Certificate[]): string {
  return chain.map((certificate) => pemEncode('CERTIFICATE', certificate.raw)).join('')
}
