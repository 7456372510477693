/** What a TPM answers when it is busy: the same command again may work (TPM_RC_RETRY, _YIELDED, _TESTING). */
const busyCodes: ReadonlySet<number> = new Set([0x922, 0x908, 0x90a])

/** Codes about a handle, session or parameter carry its number in other bits (format one). */
const formatOne = 0x80
const formatOneMask = 0xbf

const meanings: ReadonlyMap<number, string> = new Map([
  [0x084, 'value is out of range or is not correct for the context'],
  [0x085, 'hierarchy is not enabled or is not correct for the use'],
  [0x08b, 'the handle is not correct for the use'],
  [0x08e, 'the authorization HMAC check failed and DA counter incremented'],
  [0x09d, 'a policy check failed'],
  [0x09f, 'integrity check failed'],
  [0x0a2, 'authorization failure without DA implications'],
  [0x100, 'TPM not initialized by TPM2_Startup'],
  [0x101, 'commands not being accepted because of a TPM failure'],
  [0x120, 'the command is disabled'],
  [0x148, 'NV access locked'],
  [0x149, 'NV access authorization fails in command actions'],
  [0x14a, 'an NV index is used before being initialized'],
  [0x902, 'out of memory for object contexts'],
  [0x903, 'out of memory for session contexts'],
  [0x905, 'out of session handles'],
  [0x921, 'authorizations for objects subject to DA protection are not allowed at this time'],
])

/** What a TPM answers instead of doing what it was told. */
export class TpmResponseError extends Error {
  /** TPM_RC. */
  readonly responseCode: number

  constructor(responseCode: number) {
    const known = responseCode & formatOne ? responseCode & formatOneMask : responseCode
    const meaning = meanings.get(known) ?? 'see TPM 2.0 Part 2, "TPM_RC"'
    super(`response code 0x${responseCode.toString(16).padStart(3, '0')}: ${meaning}`)
    this.responseCode = responseCode
  }

  /** Whether the same command may be tried again. */
  get isBusy(): boolean {
    return busyCodes.has(this.responseCode)
  }
}
