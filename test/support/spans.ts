import { Effect, type Exit, Tracer } from "effect"

export interface Recorded {
  readonly name: string
  readonly parent: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  /** Absent while the span is open. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
}

/** Runs the effect with all the spans that begin in it, in this order; what they are is seen when it is asked for. */
export const recordedSpans = <A, E, R>(f: (spans: () => ReadonlyArray<Recorded>) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.tracer, (native) => {
    const begun: Array<Tracer.Span> = []
    return Effect.withTracer(
      f(() =>
        begun.map(({ attributes, name, parent, status }) => ({
          name,
          parent: parent._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : undefined,
          attributes: Object.fromEntries(attributes),
          exit: status._tag === "Ended" ? status.exit : undefined
        }))
      ),
      Tracer.make({
        span: (...args) => {
          const span = native.span(...args)
          begun.push(span)
          return span
        },
        context: (f, fiber) => native.context(f, fiber)
      })
    )
  })
