/**
 * A request to the emulator, as faults match it and as the log shows it.
 *
 * @since 0.1.0
 * @category models
 */
export interface LineRequest {
  /** The HTTP method, in upper case. */
  readonly method: string
  /** The path, without the query. */
  readonly path: string
  /** The query, still encoded and without the `?`; empty if there is none. */
  readonly query: string
  /** The headers, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The body as it was received; empty for a body over 2 MB. */
  readonly body: string
  /** The `x-line-request-id` of the answer. */
  readonly requestId: string
  /** When the request had arrived, in epoch milliseconds of the emulator's clock. */
  readonly at: number
}

/** An answer, without the headers that every answer carries. */
export interface LineResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An answer with a JSON body. */
export const json = (status: number, value: unknown, headers?: Readonly<Record<string, string>>): LineResponse => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value)
})

/** The answer of endpoints that have nothing to say. */
export const empty: LineResponse = { status: 200, headers: {}, body: "" }

/** An error in the form of OAuth (RFC 6749 section 5.2). LINE answers all of these with status 400. */
export const oauthError = (error: string, description?: string): LineResponse =>
  json(400, description === undefined ? { error } : { error, error_description: description })

/** An error in the form of the Messaging API. Token endpoints use it, too. */
export const messageError = (status: number, message: string, details?: ReadonlyArray<ErrorDetail>): LineResponse =>
  json(status, details === undefined ? { message } : { message, details })

/** What is wrong with one property of a request body. */
export interface ErrorDetail {
  readonly message: string
  readonly property: string
}

/** The answer to a form that lacks a parameter or has one that is invalid. */
export const parametersInvalid = oauthError("invalid_request", "some parameters missed or invalid")

/** The answer to a request past the rate limit. */
export const rateLimited = messageError(429, "The API rate limit has been exceeded. Try again later.")

/** The media type of a request in lower case, without its parameters; empty if there is none. */
export const mediaType = (request: LineRequest): string => {
  const contentType = request.headers["content-type"] ?? ""
  const parameters = contentType.indexOf(";")
  return (parameters === -1 ? contentType : contentType.slice(0, parameters)).trim().toLowerCase()
}
