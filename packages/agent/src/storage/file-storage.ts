import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomically } from '@mini-spire/runtime/atomic-file'
import { messageOf } from '@mini-spire/sdk/errors'
import { formatAgentData, parseAgentData } from './agent-data.ts'
import { type AgentState, type AgentStorage, emptyAgentState } from './agent-state.ts'
import { StorageError } from './storage-error.ts'

/** Name of the state file in `data_dir`. */
const fileName = 'agent-data.json'

/** The agent's state in `agent-data.json`, which SPIRE's agent reads and writes too. */
export class FileStorage implements AgentStorage {
  readonly #path: string
  #state: AgentState
  #lastWrite: Promise<unknown> = Promise.resolve()

  private constructor(path: string, state: AgentState) {
    this.#path = path
    this.#state = state
  }

  /**
   * Opens the state in a data directory; a missing file is an agent that has never run.
   *
   * @throws {StorageError} `ERR_STATE_UNREADABLE`, `ERR_STATE_CORRUPT`
   */
  static async open(directory: string): Promise<FileStorage> {
    const path = join(directory, fileName)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        return new FileStorage(path, emptyAgentState)
      throw new StorageError(
        'ERR_STATE_UNREADABLE',
        `failed to read ${path}: ${messageOf(error)}`,
        {
          cause: error,
        },
      )
    }
    return new FileStorage(path, parseAgentData(text, path))
  }

  get state(): AgentState {
    return this.#state
  }

  async update(change: Partial<AgentState>): Promise<void> {
    this.#state = { ...this.#state, ...change }
    const write = this.#lastWrite.then(() => this.#write())
    this.#lastWrite = write.catch(() => {})
    await write
  }

  async #write(): Promise<void> {
    try {
      await writeFileAtomically(this.#path, formatAgentData(this.#state), { mode: 0o600 })
    } catch (error) {
      throw new StorageError(
        'ERR_STATE_UNWRITABLE',
        `failed to write ${this.#path}: ${messageOf(error)}`,
        { cause: error },
      )
    }
  }
}
