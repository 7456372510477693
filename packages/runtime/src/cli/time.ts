/** The calendar repeats itself after 400 years. */
const cycleYears = 400
const cycleSeconds = 12_622_780_800n

/** An instant as Go prints it in UTC: `2026-11-24 01:50:27 +0000 UTC`; also one that is beyond what `Date` can hold. */
export function formatUtc(seconds: number): string {
  const cycles = BigInt(seconds) / cycleSeconds
  const text = new Date(Number(BigInt(seconds) % cycleSeconds) * 1000).toISOString()
  const year = BigInt(text.slice(0, 4)) + cycles * BigInt(cycleYears)
  return `${String(year).padStart(4, '0')}${text.slice(4, 10)} ${text.slice(11, 19)} +0000 UTC`
}

/** An instant as Go prints it in the zone of this process: `2026-11-22 21:53:22 -0500 EST`. */
export function formatLocal(seconds: number): string {
  const instant = new Date(seconds * 1000)
  const offset = -instant.getTimezoneOffset()
  const text = new Date(instant.getTime() + offset * 60_000).toISOString()
  const sign = offset < 0 ? '-' : '+'
  const digits = (value: number): string => String(value).padStart(2, '0')
  const zone = `${sign}${digits(Math.trunc(Math.abs(offset) / 60))}${digits(Math.abs(offset) % 60)}`
  return `${text.slice(0, 10)} ${text.slice(11, 19)} ${zone} ${zoneName(instant, zone)}`
}

/** The zone's abbreviation, or its offset when it has none. */
function zoneName(instant: Date, zone: string): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(instant)
  const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? ''
  if (name === 'UTC' || /^[A-Z]{2,5}$/.test(name)) return name
  return zone.replace(/00$/, '')
}

/** An instant in RFC 3339, to the second, UTC. */
export function formatRfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
}
