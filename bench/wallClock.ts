/** A wall clock that can be moved forward, for caches that read it when they are read. Timers keep real time. */
export interface WallClock {
  readonly advance: (millis: number) => void
}

/** Puts it in place of `Date` for the rest of this process. */
export const install = (): WallClock => {
  const RealDate = Date
  let ahead = 0
  const now = () => RealDate.now() + ahead
  function ShiftedDate(...args: ReadonlyArray<unknown>): object {
    return Reflect.construct(RealDate, args.length === 0 ? [now()] : args)
  }
  ShiftedDate.prototype = RealDate.prototype
  // A function has the statics of `Date` once they are copied, which its type cannot say.
  globalThis.Date = Object.assign(ShiftedDate, {
    now,
    parse: RealDate.parse,
    UTC: RealDate.UTC
  }) as unknown as typeof Date
  return {
    advance: (millis) => {
      ahead += millis
    }
  }
}
