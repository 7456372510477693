// Time is the SDK's too; daemons have it from here.
export { type Clock, sleep, systemClock, type Timer } from '@mini-spire/sdk/internal/clock'
