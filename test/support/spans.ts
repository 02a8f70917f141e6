import { Effect, type Exit, Tracer } from "effect"

/** Runs the effect with all the spans that have begun in it, in this order. */
export const withSpans = <A, E, R>(
  f: (spans: ReadonlyArray<Tracer.Span>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const spans: Array<Tracer.Span> = []
  return withEachSpan((span) => spans.push(span))(f(spans))
}

/** Runs the effect, and gives each span that begins in it. */
export const withEachSpan =
  (begun: (span: Tracer.Span) => unknown) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Effect.tracer, (native) =>
      Effect.withTracer(
        effect,
        Tracer.make({
          span: (...args) => {
            const span = native.span(...args)
            begun(span)
            return span
          },
          context: (f, fiber) => native.context(f, fiber)
        })
      )
    )

export interface Recorded {
  readonly name: string
  readonly parent: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  /** Absent while the span is open. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
}

/** The same as `withSpans`, with what is worth comparing; what the spans are is seen when it is asked for. */
export const recordedSpans = <A, E, R>(f: (spans: () => ReadonlyArray<Recorded>) => Effect.Effect<A, E, R>) =>
  withSpans((spans) =>
    f(() =>
      spans.map(({ attributes, name, parent, status }) => ({
        name,
        parent: parent._tag === "Some" && parent.value._tag === "Span" ? parent.value.name : undefined,
        attributes: Object.fromEntries(attributes),
        exit: status._tag === "Ended" ? status.exit : undefined
      }))
    )
  )
