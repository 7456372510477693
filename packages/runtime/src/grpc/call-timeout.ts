/** Where a caller says how long it waits. */
export const timeoutHeader = 'grpc-timeout'

const msPerUnit: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}

/** How long a caller waits for its answer, by its {@link timeoutHeader}; undefined for a text that says nothing of the kind. */
export function callTimeoutMs(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? []
  const msEach = msPerUnit[unit]
  return msEach === undefined ? undefined : Number(digits) * msEach
}
