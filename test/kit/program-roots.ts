import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Program, Scene } from './processes.ts'

/**
 * A copy of a program of somebody else in which one certificate that it was built with is another: what it is made to trust
 * is a test root, everything else runs as it is. A program that does not hold the certificate is returned as it is.
 *
 * @param builtIn the text that stands in the program, PEM
 * @param other in its place, PEM, no longer than it
 */
export function withRoot(
  scene: Scene,
  program: Program,
  { builtIn, other }: { readonly builtIn: string; readonly other: string },
): Program {
  const [old, wanted] = [Buffer.from(builtIn.trim()), Buffer.from(other.trim())]
  if (wanted.length > old.length) throw new Error('the test root is longer than the built-in one')
  const binary = readFileSync(program.command)
  const at = binary.indexOf(old)
  if (at < 0) return program
  binary.fill('\n', at, at + old.length)
  wanted.copy(binary, at)
  const command = scene.path(`${basename(program.command)}-with-root`)
  writeFileSync(command, binary)
  chmodSync(command, 0o755)
  return { ...program, command }
}
