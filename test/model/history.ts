/** What the issuer of a name does when it is asked for a token, after so many milliseconds. */
export type Behaviour = { readonly delay: number } & (
  | { readonly _tag: "succeed" | "again" | "invalidated"; readonly lifetime: number }
  | { readonly _tag: "fail"; readonly retryAfter?: number; readonly permanent?: boolean }
  | { readonly _tag: "hang" | "hangUninterruptibly" | "die" | "interrupt" | "nonsense" }
)

export type Command =
  | { readonly _tag: "advance" | "setBack" | "setAhead"; readonly millis: number }
  | { readonly _tag: "issuer"; readonly name: string; readonly behaviour: Behaviour }
  | { readonly _tag: "read" | "reader" | "refresh" | "interrupt" | "register" | "drop"; readonly name: string }
  | { readonly _tag: "invalidate" | "unauthorized"; readonly name: string; readonly old: boolean }
  | { readonly _tag: "store"; readonly fails: boolean }
  | { readonly _tag: "close" }

/** How the schedule of a source breaks, and at which step. */
export interface Breaking {
  readonly how: "ends" | "dies" | "hangs"
  readonly at: number
}

export interface SourceOptions {
  readonly retryAfter?: number
  readonly maxRetryAfter?: number
  readonly breaks?: Breaking
}

/** A cache, and what is done with it. A failure prints this as JSON. */
export interface History {
  readonly kind: "plain" | "store" | "tenants"
  readonly concurrency: number
  readonly capacity: number
  readonly sources: Readonly<Record<string, SourceOptions>>
  readonly commands: ReadonlyArray<Command>
}

/** The name that is registered and dropped. The others are there from the start, save in a cache of tenants. */
export const registered = "e"

export const names = ["a", "b", "c", "d", registered] as const

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
const randomOf = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Makes the history of a seed. */
export const make = (seed: number): History => {
  const random = randomOf(seed)
  const one = <A>(...of: ReadonlyArray<A>): A => of[Math.floor(random() * of.length)]!
  const upTo = (most: number) => Math.floor(random() * most)
  const kind = one("plain", "plain", "plain", "plain", "tenants", "tenants", "store")
  const delay = () => one(0, 0, 0, 701, 4099, 8303)
  const lifetime = () => one(20_000, 120_000, 900_000, 900_000, 3_600_000, 2_592_000_000)
  const behaviour = (): Behaviour => {
    const _tag = one("succeed", "succeed", "succeed", "fail", "fail", "again", "invalidated", "hang", "odd" as const)
    switch (_tag) {
      case "succeed":
      case "again":
      case "invalidated":
        return { _tag, lifetime: lifetime(), delay: delay() }
      case "fail":
        return one(
          { _tag, delay: delay() },
          { _tag, delay: delay(), retryAfter: one(15_000, 40_000, 400_000) },
          { _tag, delay: delay(), permanent: true }
        )
      case "hang":
        return { _tag: one("hang", "hang", "hangUninterruptibly"), delay: 0 }
      case "odd":
        return { _tag: one("die", "interrupt", "nonsense"), delay: delay() }
    }
  }
  const source = (): SourceOptions =>
    one<() => SourceOptions>(
      () => ({}),
      () => ({ retryAfter: one(5000, 10_000), maxRetryAfter: one(20_000, 60_000) }),
      () => ({ breaks: one<Breaking>({ how: one("ends", "dies"), at: one(1, 3) }, { how: "hangs", at: 1 }) })
    )()
  const command = (): Command => {
    const name = one(...names)
    const _tag = one(
      ...(["advance", "advance", "advance", "issuer", "issuer", "issuer", "read", "read", "read", "reader"] as const),
      ...(["refresh", "refresh", "invalidate", "unauthorized", "unauthorized", "interrupt"] as const),
      ...(["setBack", "setAhead", "register", "drop", "store"] as const)
    )
    switch (_tag) {
      case "advance":
        return { _tag, millis: upTo(one(1, 1500, 1500, 6000, 6000, 40_000, 40_000, 200_000, 700_000)) }
      case "setBack":
      case "setAhead":
        return { _tag, millis: 2000 + upTo(one(10_000, 600_000, 7_200_000)) }
      case "issuer":
        return { _tag, name, behaviour: behaviour() }
      case "invalidate":
      case "unauthorized":
        return { _tag, name, old: random() < 0.2 }
      case "register":
      case "drop":
        return { _tag, name: registered }
      case "store":
        return { _tag, fails: random() < 0.5 }
      default:
        return { _tag, name }
    }
  }
  const concurrency = one(1, 2, 16)
  const capacity = one(1, 2, 3)
  const sources = Object.fromEntries(names.map((name) => [name, source()]))
  const first = names.map((name): Command => ({ _tag: "issuer", name, behaviour: behaviour() }))
  const commands = [...first, ...Array.from({ length: 5 + upTo(25) }, command), { _tag: "close" } as const]
  return { kind, concurrency, capacity, sources, commands }
}
