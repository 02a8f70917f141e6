import { assert, describe, it } from "vitest"
import { parseBaseUrl, parseEndpoint } from "../../src/internal/http/url.js"

const endpoints: ReadonlyArray<readonly [text: string, href: string | undefined]> = [
  ["https://issuer.example/token", "https://issuer.example/token"],
  ["HTTPS://ISSUER.example:8443", "https://issuer.example:8443/"],
  ["https://issuer.example/token?tenant=1", "https://issuer.example/token?tenant=1"],
  ["https://issuer.example/#", "https://issuer.example/#"],
  ["http://localhost:8080/token", "http://localhost:8080/token"],
  ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"],
  ["http://127.1.2.3", "http://127.1.2.3/"],
  ["http://2130706433", "http://127.0.0.1/"],
  ["http://[::1]:8080", "http://[::1]:8080/"],
  ["http://issuer.example", undefined],
  ["http://localhost.issuer.example", undefined],
  ["http://127.0.0.1.issuer.example", undefined],
  ["http://10.0.0.1", undefined],
  ["http://[::2]", undefined],
  ["https://user@issuer.example", undefined],
  ["https://user:password@issuer.example", undefined],
  ["https://:password@issuer.example", undefined],
  ["https://issuer.example/#fragment", undefined],
  ["ftp://localhost", undefined],
  ["file:///etc/hosts", undefined],
  ["issuer.example", undefined],
  ["/token", undefined],
  ["", undefined]
]

describe("parseEndpoint", () => {
  it.each(endpoints)("%s is %s", (text, href) => {
    assert.strictEqual(parseEndpoint(text)?.href, href)
  })
})

describe("parseBaseUrl", () => {
  it.each(endpoints)("%s is the same without a query", (text, href) => {
    assert.strictEqual(parseBaseUrl(text)?.href, text.includes("?") ? undefined : href)
  })

  it("takes no query, not on loopback either", () => {
    assert.isUndefined(parseBaseUrl("http://localhost/?tenant=1"))
    assert.strictEqual(parseBaseUrl("https://issuer.example/?")?.search, "")
  })
})
