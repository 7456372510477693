const maxLength = 64

/** What makes a text no name of a scale set, in SPIRE's words; undefined when it is one. */
export function scaleSetNameProblem(name: string): string | undefined {
  const length = Buffer.byteLength(name)
  if (length < 1) return 'VMSS name must be at least 1 character(s) long, got 0'
  if (length > maxLength) {
    return `VMSS name must be at most ${maxLength} characters long, got ${length}`
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return 'VMSS name can only contain alphanumeric characters, underscores, periods, and hyphens'
  }
  if (!/^[a-zA-Z0-9]/.test(name)) return 'VMSS name must start with an alphanumeric character'
  if (/[a-zA-Z0-9_]$/.test(name)) return undefined
  return 'VMSS name must end with an alphanumeric character or an underscore'
}
