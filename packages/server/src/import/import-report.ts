import type { RecordKind } from '../store/store.ts'

/** What became of the records of one kind. */
export interface KindCounts {
  /** Written now. */
  readonly created: number
  /** There already, the same. */
  readonly unchanged: number
  /** There already and different: ours was kept. */
  readonly conflicts: number
  /** Not fit to be stored; a problem says why. */
  readonly refused: number
}

/** A record that was not taken over, and why. */
export interface ImportProblem {
  readonly kind: RecordKind
  readonly key: string
  readonly outcome: 'conflict' | 'refused'
  readonly reason: string
}

/** An authority that the imported journals remember, and whether its key is at hand. */
export interface ImportedAuthority {
  readonly type: 'x509' | 'jwt' | 'wit'
  readonly id: string
  readonly status: 'prepared' | 'active' | 'old' | 'unknown'
  readonly expiresAtSeconds: number
  /** Undefined: the key manager cannot be asked from here. */
  readonly hasKey: boolean | undefined
}

/** What an import did, or with a dry run would have done. */
export interface ImportReport {
  readonly source: string
  readonly spireVersion: string
  readonly trustDomain: string
  readonly isDryRun: boolean
  readonly counts: ReadonlyMap<RecordKind, KindCounts>
  /** The first ones of each kind and outcome; the counts are complete. */
  readonly problems: readonly ImportProblem[]
  readonly authorities: readonly ImportedAuthority[]
  /** What an operator should know beyond the numbers. */
  readonly warnings: readonly string[]
}

/** Problems that are told of each kind and outcome. */
const maxProblems = 100

/** Counts outcomes while an import runs. */
export class ImportTally {
  readonly #counts = new Map<RecordKind, { -readonly [Key in keyof KindCounts]: number }>()
  readonly #problems: ImportProblem[] = []

  get counts(): ReadonlyMap<RecordKind, KindCounts> {
    return this.#counts
  }

  get problems(): readonly ImportProblem[] {
    return this.#problems
  }

  /** A kind with no records shows zeros. */
  begin(kind: RecordKind): void {
    this.#of(kind)
  }

  created(kind: RecordKind, count: number): void {
    this.#of(kind).created += count
  }

  unchanged(kind: RecordKind): void {
    this.#of(kind).unchanged++
  }

  problem(problem: ImportProblem): void {
    const counts = this.#of(problem.kind)
    const sofar = problem.outcome === 'conflict' ? ++counts.conflicts : ++counts.refused
    if (sofar <= maxProblems) this.#problems.push(problem)
  }

  #of(kind: RecordKind): { -readonly [Key in keyof KindCounts]: number } {
    const known = this.#counts.get(kind)
    if (known) return known
    const fresh = { created: 0, unchanged: 0, conflicts: 0, refused: 0 }
    this.#counts.set(kind, fresh)
    return fresh
  }
}
