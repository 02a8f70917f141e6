/** A message of a stream of server-sent events. */
export interface ServerSentEvent {
  readonly event: string
  // What the stream sends is JSON; a test looks at what it expects.
  readonly data: unknown
}

/** Reads a stream of server-sent events into an array until it ends. */
export const readEvents = (response: Response) => {
  const messages: Array<ServerSentEvent> = []
  const chunks: Array<number> = []
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  const state = { ended: false }
  const read = async () => {
    let text = ""
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      chunks.push(value.length)
      text += decoder.decode(value, { stream: true })
      const parts = text.split("\n\n")
      text = parts.pop() ?? ""
      for (const part of parts) {
        const [, event = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? []
        messages.push({ event, data: JSON.parse(data) })
      }
    }
    state.ended = true
  }
  const ended = read()
  return { messages, chunks, state, ended, cancel: () => reader.cancel() }
}
