/** An API in a process of its own, which answers at once; gives its port to the process that forked it. */
import { createServer } from "node:http"

const server = createServer((_request, response) => {
  response.writeHead(200, { "content-type": "application/json" })
  response.end("{}")
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object") process.send!(address?.port)
})

process.on("disconnect", () => process.exit())
