const maxInt64 = 2n ** 63n - 1n
const minInt64 = -(2n ** 63n)
const maxUint64 = 2n ** 64n - 1n

/**
 * A 64-bit integer of a message as the number that the domain computes with. Seconds of the next 285 million years are
 * exact; the largest one comes back as itself through {@link int64ToProto}.
 */
export function int64FromProto(value: bigint): number {
  return Number(value)
}

/** A whole number as a signed 64-bit integer; what does not fit becomes the nearest one that does. */
export function int64ToProto(value: number): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value)
  const whole = BigInt(Math.trunc(value))
  return whole > maxInt64 ? maxInt64 : whole < minInt64 ? minInt64 : whole
}

/** A whole number as an unsigned 64-bit integer; what does not fit becomes the nearest one that does. */
export function uint64ToProto(value: number): bigint {
  const whole = BigInt(Math.trunc(value))
  return whole > maxUint64 ? maxUint64 : whole < 0n ? 0n : whole
}
