import { messageOf } from '@mini-spire/sdk/errors'
import { PluginError } from './plugin-error.ts'

/** System calls for running checked programs that Node does not offer. */
export interface ProgramCalls {
  /** Makes a file that is in memory only; its descriptor is not inherited by programs. */
  memoryFile(name: string): number
  /** Lets nobody change a memory file any more. */
  seal(fd: number): void
}

/** MFD_CLOEXEC and MFD_ALLOW_SEALING; MFD_EXEC came with Linux 6.3, where leaving it out makes the kernel complain. */
const closeOnExec = 1
const allowSealing = 2
const executable = 0x10
const invalidArgument = 22
/** F_ADD_SEALS with every seal: seal, shrink, grow, write. */
const addSeals = 1033
const allSeals = 0xf

/**
 * Loads the system calls through koffi, on first use.
 *
 * @throws {PluginError} `ERR_PLUGIN_LAUNCH` where it cannot be loaded
 */
export async function loadProgramCalls(): Promise<ProgramCalls> {
  try {
    const { default: koffi } = await import('koffi')
    const libc = koffi.load(null)
    const memfdCreate = libc.func('int memfd_create(str, unsigned int)')
    const fcntl = libc.func('int fcntl(int, int, int)')
    return {
      memoryFile(name) {
        const flags = closeOnExec | allowSealing
        let fd = Number(memfdCreate(name, flags | executable))
        if (fd < 0 && koffi.errno() === invalidArgument) fd = Number(memfdCreate(name, flags))
        if (fd < 0) throw refused('memfd_create', koffi.errno())
        return fd
      },
      seal(fd) {
        if (fcntl(fd, addSeals, allSeals) !== 0) throw refused('fcntl', koffi.errno())
      },
    }
  } catch (cause) {
    const text = `the native call library could not be loaded: ${messageOf(cause)}`
    throw new PluginError('ERR_PLUGIN_LAUNCH', text, { cause })
  }
}

function refused(call: string, errno: number): PluginError {
  return new PluginError('ERR_PLUGIN_LAUNCH', `${call}: errno ${errno}`)
}
