import { readFileSync } from 'node:fs'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { osErrorText } from '@mini-spire/runtime/os-error'

/**
 * Reads a JSON list of account IDs.
 *
 * @throws {Error} as SPIRE words it
 */
export function readAccountListFile(path: string): ReadonlySet<string> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const message = `unable to read account list file: ${osErrorText('open', path, cause)}`
    throw new Error(message, { cause })
  }
  const ids = parseList(text)
  if (!ids) {
    throw new Error(
      `unable to parse account list file ${quoteGo(path)}, expected a JSON array of account IDs`,
    )
  }
  for (const id of ids) {
    if (/^[0-9]{12}$/.test(id)) continue
    throw new Error(
      `invalid account id ${quoteGo(id)} in account list file ${quoteGo(path)}, expected a 12-digit AWS account id`,
    )
  }
  return new Set(ids)
}

function parseList(text: string): readonly string[] | undefined {
  try {
    const list: unknown = JSON.parse(text) ?? []
    if (Array.isArray(list) && list.every((one) => typeof one === 'string')) return list
  } catch {
    // What stands in the file is for its reader, not for a log.
  }
  return undefined
}
