import { randomInt } from "node:crypto"
import { createAppAuth, type StrategyOptions } from "@octokit/auth-app"
import { npm } from "./peer.js"

export const octokit = npm("@octokit/auth-app", (issue) => {
  const answer = async () => {
    const { accessToken, expiresIn } = await issue()
    return {
      data: {
        token: accessToken,
        expires_at: new Date(Date.now() + expiresIn * 1000).toISOString(),
        permissions: {},
        repository_selection: "all"
      }
    }
  }
  const request = Object.assign(answer, { endpoint: {}, defaults: () => request })
  const auth = createAppAuth({
    appId: 1,
    // Requests in flight are shared by this id in all of a process.
    installationId: randomInt(2 ** 40),
    createJwt: async () => ({ jwt: "jwt", expiresAt: new Date(Date.now() + 600_000).toISOString() }),
    // The stub has what the strategy calls; the whole of the type is a client of GitHub.
    request: request as unknown as NonNullable<StrategyOptions["request"]>
  })
  return async () => (await auth({ type: "installation" })).token
})
